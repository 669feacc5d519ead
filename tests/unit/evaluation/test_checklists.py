"""The checklists: every item has evidence, and a page or section that it names is there."""

import re
from pathlib import Path

from readmission.evaluation import checklists, model_card
from readmission.evaluation.site_facts import SiteFacts
from tests.unit.evaluation.test_dossier import SITE

ROOT = Path(__file__).parents[3]


def test_every_item_has_evidence_that_exists(facts: model_card.Facts) -> None:
    items = [*checklists.tripod(facts, SITE), *checklists.eu_ai_act(SITE)]
    assert [item.number for item in items[:27]] == [str(number) for number in range(1, 28)]
    assert all(item.asked and item.evidence for item in items)
    pages = {page for item in items for page in re.findall(r"docs/[\w/-]+\.md", item.evidence)}
    assert pages and all((ROOT / page).is_file() for page in pages), pages
    modules = {path for item in items for path in re.findall(r"readmission/(\w+(?:/\w+)?)", item.evidence)}
    package = ROOT / "pipelines" / "readmission"
    assert all((package / path).is_dir() or (package / f"{path}.py").is_file() for path in modules), modules
    sections = set(re.findall(r"^## (.+)$", model_card.markdown(facts), re.MULTILINE))
    for section in ("What it is for", "Quality on test", "Operating points", "Groups of people", "Gates", "Data"):
        assert section in sections and any(section in item.evidence for item in items)


def test_what_people_must_say_is_open_until_they_do(facts: model_card.Facts) -> None:
    page = checklists.markdown(facts, SiteFacts())
    assert page.count(checklists.OPEN) == 4 and checklists.OPEN not in checklists.markdown(facts, SITE)

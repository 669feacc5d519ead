"""The dossier of a version: 31 attributes, an applied model card that its schema accepts, a gate for people's facts."""

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from lxml import etree

from readmission.evaluation import chai_card, checklists, dossier, model_card, source_attributes
from readmission.evaluation.in_use import CardCounts, LiveFigure
from readmission.evaluation.model_card import Facts
from readmission.evaluation.site_facts import SiteFacts, read_site_facts
from readmission.scorer import manifest

TODAY = date(2026, 11, 27)
SCHEMA = Path(__file__).parent / "chai" / "applied-model-card-v0.2.xsd"
SITE = SiteFacts(**{name: f"<{name}>" for name in SiteFacts.model_fields if name != "review_due"}, review_due=TODAY)


def test_the_31_attributes_are_answered_or_say_that_the_site_has_not(facts: Facts) -> None:
    for site in (SITE, SiteFacts()):
        listed = source_attributes.attributes(facts, site)
        assert len(listed) == 31 and len({each.number for each in listed}) == 31
        assert all(each.answer for each in listed)
        asked = {each.number for each in listed if each.answer == checklists.OPEN}
        people = {each.number for each in listed if each.source == "site"}
        assert asked == (set() if site is SITE else people) and len(people) == 14


def test_the_numbers_are_those_of_the_version(facts: Facts) -> None:
    page = source_attributes.markdown(facts, SITE)
    for interval in (facts.intervals[name] for name in ("roc_auc_30", "pr_auc_30", "ece_30", "recall_at_alert_10")):
        assert str(interval) in page
    assert "1,234" in page and "0.1018 [0.0842, 0.1168]" in page and "fair_risk: 1.19 must be at most 1.25" in page


def test_the_applied_model_card_is_valid_and_has_the_numbers(facts: Facts) -> None:
    schema = etree.fromstring(SCHEMA.read_bytes())
    for element in schema.xpath("//*[local-name()='import' or @ref='ds:Signature']"):
        element.getparent().remove(element)  # The signature's schema is on another host, and no card is signed.
    validator = etree.XMLSchema(schema)
    for each, site in ((facts, SITE), (facts, SiteFacts()), (replace(facts, slices=[], synthetic=True), SITE)):
        text = chai_card.xml(each, site, "2026-11-27")
        validator.assertValid(etree.fromstring(text.encode()))
    results = etree.fromstring(chai_card.xml(facts, SITE, "2026-11-27").encode()).iter("{*}MetricResult")
    values = {result[0].text: json.loads(result[1].text) for result in results}
    assert values["roc_auc_30"] == vars(facts.intervals["roc_auc_30"])
    assert values["found_more_than_lace"]["low"] == 0.0842 and values["race Asian"]["found"] == 0.103


def test_no_file_claims_conformity_and_the_card_page_has_the_dossier(facts: Facts) -> None:
    files = dossier.files(facts, SiteFacts(), TODAY)
    assert set(files) == {*manifest.CARDS.values(), *manifest.CARD_PAGES.values()}
    assert not any(re.search(r"complian|certifi", text, re.IGNORECASE) for text in files.values())
    for part in ("Groups of people", "Source attributes", "TRIPOD+AI", "EU AI Act"):
        assert part in files[dossier.MARKDOWN] and part in files[dossier.HTML]
    assert "&lt;contact&gt;" in dossier.files(facts, SITE, TODAY)[dossier.HTML]


def test_figures_in_use_stand_in_the_card_and_among_the_attributes(facts: Facts) -> None:
    figure = LiveFigure(version="3", measured_on=TODAY, group="all", metric="roc_auc_30", encounters=4321, value=0.6789)
    cards = CardCounts(version="3", outcome="overridden", reason="disagree", cards=17)
    used = replace(facts, live=(figure, replace(figure, group="race Asian", value=0.6543)), feedback=(cards,))
    answers = {each.number: each.answer for each in source_attributes.attributes(used, SITE)}
    assert "0.6789" in answers["8.ii"] and "4,321" in answers["8.ii"] and "0.6543" not in answers["8.ii"]
    assert "race Asian 0.6543" in answers["8.iv"]
    assert "No outcome was known" in source_attributes.markdown(facts, SITE)
    assert "| 3 | overridden | disagree | 17 |" in model_card.markdown(used)
    assert "no clinician has reported" in model_card.markdown(facts)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"funding": ""}, "funding is empty"),
        ({"review_due": None}, "review_due is empty"),
        ({"review_due": date(2026, 11, 26)}, "the review was due on 2026-11-26"),
    ],
)
def test_an_open_or_overdue_fact_fails_the_gate(change: dict[str, object], problem: str) -> None:
    assert dossier.check_site(SITE, TODAY).passed
    check = dossier.check_site(SITE.model_copy(update=change), TODAY)
    assert not check.passed and check.value == 1 and problem in check.reason
    assert check.limit.startswith("0")


def test_site_facts_are_read_from_a_file_or_from_yaml_itself(tmp_path: Path) -> None:
    text = "developer: A hospital\nreview_due: 2027-11-27\n"
    path = tmp_path / "site.yaml"
    path.write_text(text)
    assert read_site_facts(str(path)) == read_site_facts(text)
    assert read_site_facts(text).review_due == date(2027, 11, 27) and read_site_facts("") == SiteFacts()


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("developper: x", "developper: Extra inputs"),
        ("review_due: soon", "review_due"),
        ("/nowhere/site.yaml", "cannot be read"),
        ("a: [", "not YAML"),
        ("- x\n- y", "the file"),
    ],
)
def test_site_facts_that_cannot_be_read_say_why(source: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_site_facts(source)

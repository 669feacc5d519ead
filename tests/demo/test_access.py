"""Accessibility rules (axe-core) in every state of the page, in both colour schemes."""

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.demo.conftest import opened


def violations(page: Any) -> list[tuple[str, list[Any]]]:
    """Return the broken rules of the page with the elements that break them."""
    page.wait_for_timeout(400)  # colours change in a transition
    broken = Axe().run(page).response["violations"]
    return [(rule["id"], [node["html"][:120] for node in rule["nodes"]][:3]) for rule in broken]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "language"), [(1280, ""), (320, ""), (390, "es/")])
def test_no_state_of_the_form_breaks_a_rule(browser: Any, demo: str, scheme: str, width: int, language: str) -> None:
    for page in opened(browser, f"{demo}/{language}", width, scheme):
        page.wait_for_selector(".banner")
        states = {"empty": violations(page)}
        page.click("#estimate")
        page.wait_for_selector("#answer .wrong")
        states["refused"] = violations(page)
        page.locator("#presets button").nth(2).click()
        page.wait_for_selector("#answer .reasons")
        states["answered"] = violations(page)
        page.fill("#field-number_inpatient input", "1")
        page.wait_for_selector("#answer .stale")
        states["stale"] = violations(page)
        assert {state: broken for state, broken in states.items() if broken} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_state_of_a_file_breaks_a_rule(browser: Any, demo: str, sample_rows: Path, scheme: str) -> None:
    for page in opened(browser, demo, 1280, scheme):
        page.get_by_role("tab", name="Many patients").click()
        page.wait_for_selector("#upload")
        assert violations(page) == []
        page.set_input_files("#many input[type=file]", str(sample_rows))
        page.wait_for_selector(".report")
        assert violations(page) == []

"""The API's documentation in a real browser: tried out, read on a phone, accessible."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe


def test_swagger_ui_sends_a_prediction_and_loads_nothing_from_outside(browser: Any, api: str) -> None:
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    outside: list[str] = []
    tab.on("request", lambda r: outside.append(r.url) if not r.url.startswith((api, "data:", "blob:")) else None)
    tab.goto(f"{api}/docs")
    tab.locator("#operations-Predictions-predict").click()
    tab.get_by_role("button", name="Execute").click()
    answer = tab.locator(".live-responses-table tbody .response-col_description")
    answer.first.wait_for()
    assert "prediction_id" in answer.first.inner_text()
    assert outside == []
    tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_table_of_columns_is_readable(browser: Any, api: str, width: int, scheme: str) -> None:
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab.goto(f"{api}/docs/columns")
    widths = tab.evaluate("[...document.querySelectorAll('tbody tr:first-child td')].map(e => e.offsetWidth)")
    assert min(widths) > 60 and widths[3] >= 300
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    violations = Axe().run(tab).response["violations"]
    assert [(v["id"], [n["target"] for n in v["nodes"]]) for v in violations] == []
    tab.close()

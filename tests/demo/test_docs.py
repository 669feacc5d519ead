"""The API's documentation in a real browser: tried out, read on a phone, accessible."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image


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
@pytest.mark.parametrize("width", [1280, 768, 390])
def test_the_table_of_columns_is_readable(browser: Any, api: str, width: int, scheme: str) -> None:
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab.goto(f"{api}/docs/columns")
    widths = tab.evaluate("[...document.querySelectorAll('tbody tr:first-child td')].map(e => e.offsetWidth)")
    assert min(widths) > 60 and widths[3] >= 300
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    ends = tab.evaluate("[...document.querySelectorAll('td')].map(e => e.getBoundingClientRect().right)")
    assert max(ends) <= width, "what a column may hold is out of sight"
    violations = Axe().run(tab).response["violations"]
    assert [(v["id"], [n["target"] for n in v["nodes"]]) for v in violations] == []
    tab.close()


def luminances(picture: bytes) -> list[float]:
    """Return the relative luminance (WCAG) of each pixel of a picture, sorted."""
    channels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")) / 255
    linear = np.where(channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    seen: list[float] = np.sort((linear @ [0.2126, 0.7152, 0.0722]).ravel()).tolist()
    return seen


@pytest.mark.parametrize("width", [1280, 768, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_swagger_ui_is_readable_in_both_schemes(
    browser: Any, api: str, width: int, scheme: str, pictures: Path
) -> None:
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab.goto(f"{api}/docs")
    tab.locator("#operations-Predictions-predict").click()
    tab.locator("#operations-Predictions-predict .opblock-description").wait_for()
    tab.screenshot(path=pictures / f"api-docs-{scheme}-{width}.png")
    for selector in (
        ".info .title",
        "#operations-Predictions-predict .opblock-summary-path",
        "#operations-Predictions-predict .opblock-description p",
        "#operations-Predictions-predict textarea",
        "#operations-Predictions-predict .highlight-code pre",
    ):
        seen = luminances(tab.locator(selector).first.screenshot())
        dark, light = seen[len(seen) // 500], seen[-1 - len(seen) // 500]
        assert (light + 0.05) / (dark + 0.05) >= 4.5, selector
        ground = seen[len(seen) // 2]
        assert (ground < 0.2) == (scheme == "dark" or selector.endswith("pre")), selector
    tab.close()

"""The demo's looks in a real browser: light and dark, wide and narrow."""

from pathlib import Path
from typing import Any

import pytest

from tests.demo.conftest import opened

#: Contrast ratios of WCAG 2.2: of text (1.4.3) and of graphics and the borders of inputs (1.4.11).
TEXT, GRAPHICS = 4.5, 3.0
#: Texts of the page after an answer, and graphics with the property that colours them.
TEXTS = (
    "#header h1",
    "#header header p",
    ".state",
    ".banner",
    ".tab-container button",
    "#presets button",
    "#clear",
    "#form .card h2",
    "#form .card > p",
    "#field-age label",
    "#field-age .hint",
    "#field-race select",
    ".languages a",
    "#field-age input",
    "#field-number_inpatient input",
    "#estimate",
    ".risk strong",
    ".risk span",
    ".words",
    ".bar dt",
    ".figure",
    ".assumed summary",
    ".provenance",
    "#foot p",
)
SHAPES = (
    (".people .early", "fill"),
    (".people .late", "fill"),
    (".people .none", "stroke"),
    (".bar i.early", "background-color"),
    (".bar i.late", "background-color"),
    (".bar i.none", "border-top-color"),
    ("#field-number_inpatient input", "border-top-color"),
    ("#field-race select", "border-top-color"),
)
CONTRAST = """(element, property) => {
  const channels = text => { const c = text.match(/[\\d.]+/g).map(Number); return c.length < 4 ? [...c, 1] : c };
  const over = (top, below) => top.slice(0, 3).map((c, i) => c * top[3] + below[i] * (1 - top[3]));
  const luminance = color => color.map(c => c / 255).map(c => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const layers = [];
  for (let e = property === 'color' ? element : element.parentElement; e; e = e.parentElement)
    layers.push(channels(getComputedStyle(e).backgroundColor));
  const ground = layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  const mark = over(channels(getComputedStyle(element)[property]), ground);
  const [high, low] = [luminance(mark), luminance(ground)].sort((a, b) => b - a);
  return (high + .05) / (low + .05);
}"""


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    """Give each colour scheme that a browser can prefer."""
    return str(request.param)


@pytest.mark.parametrize("language", ["", "es/"])
@pytest.mark.parametrize("width", [1280, 768, 390, 320])
def test_preset_is_answered_and_the_page_fits_its_width(
    browser: Any, demo: str, scheme: str, width: int, language: str, pictures: Path
) -> None:
    for page in opened(browser, f"{demo}/{language}", width, scheme):
        assert page.get_by_role("tab").nth(1).is_visible()
        page.locator("#presets button").nth(1).click()
        page.wait_for_selector("#answer .answer")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("#estimate").is_visible()
        cut = "[...document.querySelectorAll('#form .title')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
        assert page.evaluate(cut) == 0, "a label runs out of its column"
        page.screenshot(path=pictures / f"demo-{language.strip('/') or 'en'}-{scheme}-{width}.png", full_page=True)


def test_texts_and_graphics_have_contrast(browser: Any, demo: str, scheme: str) -> None:
    for page in opened(browser, demo, scheme=scheme):
        page.wait_for_selector(".banner")
        page.get_by_role("button", name="came back within 30 days").click()
        page.wait_for_selector("#answer .answer")
        page.wait_for_timeout(500)  # colours change in a transition
        required = [(selector, "color", TEXT) for selector in TEXTS] + [(*shape, GRAPHICS) for shape in SHAPES]
        measured = {
            (selector, style): (page.locator(selector).first.evaluate(CONTRAST, style), least)
            for selector, style, least in required
        }
        assert {key: ratio for key, (ratio, least) in measured.items() if ratio < least} == {}
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert (sum(ground) < 3 * 64) == (scheme == "dark"), "the page takes the scheme that the browser prefers"


@pytest.mark.parametrize("width", [768, 390])
def test_nothing_covers_the_estimate_button(browser: Any, demo: str, width: int) -> None:
    covered = """() => { const b = document.querySelector('#estimate'), r = b.getBoundingClientRect();
      return [.1, .3, .5, .7, .9].flatMap(x => [.2, .5, .8].map(y => [x, y]))
        .map(([x, y]) => document.elementFromPoint(r.left + r.width * x, r.top + r.height * y))
        .filter(e => !b.contains(e)).map(e => e?.outerHTML.slice(0, 60)) }"""
    for page in opened(browser, demo, width):
        height = page.evaluate("document.documentElement.scrollHeight")
        hits = {}
        for offset in range(0, height, 30):
            page.evaluate("offset => scrollTo({top: offset, behavior: 'instant'})", offset)
            if covering := page.evaluate(covered):
                hits[offset] = covering
        assert hits == {}

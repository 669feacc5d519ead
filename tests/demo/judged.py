"""What any page must do in a real browser."""

from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe


def judge(browser: Any, url: str, path: str, text: str, scheme: str, pictures: Path, name: str) -> None:
    """Check that a page shows a text, fits three widths, has its scheme's ground, and breaks no rule of axe.

    It may ask no other host than its own. A picture of each width stays in the folder `pictures`.
    """
    for width in (1280, 768, 390):
        tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        asked: list[str] = []
        tab.on("request", lambda r, asked=asked: asked.append(r.url))
        tab.goto(f"{url}{path}")
        assert text.lower() in tab.inner_text("body").lower()
        tab.screenshot(path=pictures / f"{name}-{scheme}-{width}.png", full_page=True)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than {width}"
        ground = tab.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert (sum(ground[:3]) < 3 * 64) == (scheme == "dark")
        assert [(v["id"], [n["target"] for n in v["nodes"]][:3]) for v in Axe().run(tab).response["violations"]] == []
        assert {address for address in asked if not address.startswith((url, "data:"))} == set()
        tab.close()

"""The documentation as a site, opened from the disk: search and diagrams work, and nothing comes from another host."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (ROOT / ".cache" / "site" / "node_modules" / "mermaid").is_dir():
        pytest.skip("npm's scripts of the site are absent: make site installs them")
    folder = tmp_path_factory.mktemp("site") / "site"
    subprocess.run([sys.executable, str(ROOT / "scripts" / "docs_site.py"), "--target", str(folder)], check=True)
    return folder


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_search_and_diagrams_work_from_the_disk(browser: Any, site: Path, scheme: str, pictures: Path) -> None:
    tab = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    outside: list[str] = []
    tab.on("request", lambda r: outside.append(r.url) if not r.url.startswith(("file:", "data:", "blob:")) else None)
    tab.goto((site / "docs" / "clinic.html").as_uri())
    tab.wait_for_selector("div.mermaid")
    tab.keyboard.press("s")
    tab.wait_for_selector("input[name=query]:focus")
    tab.keyboard.type("override reasons")
    tab.wait_for_function(
        "/\\d+ matching documents/.test(document.querySelector('.md-search-result__meta').textContent)"
    )
    tab.screenshot(path=pictures / f"site-{scheme}.png")
    assert outside == []
    tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 768, 390])
def test_pages_fit_their_width(browser: Any, site: Path, width: int, scheme: str, pictures: Path) -> None:
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    for name in ("index", "kubernetes", "clinic"):
        tab.goto((site / "docs" / f"{name}.html").as_uri())
        tab.screenshot(path=pictures / f"site-{name}-{scheme}-{width}.png")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, name
    tab.close()

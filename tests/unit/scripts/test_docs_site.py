"""The documentation as a site: every page is in it, no link is dead, and nothing comes from another host."""

import re
from collections.abc import Iterator
from pathlib import Path

import docs_site
import pytest

ROOT = Path(__file__).parents[3]
#: What a page loads by itself: scripts, styles, pictures.
LOADED = re.compile(
    r'<(?:script|img)[^>]*\ssrc="([^"]+)"|<link[^>]*rel="(?:stylesheet|icon|preconnect)"[^>]*href="([^"]+)"'
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("site") / "site"
    assert docs_site.main(["--target", str(folder)]) == 0
    yield folder


def test_every_page_is_built_and_loads_only_what_lies_in_the_site(site: Path) -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT).with_suffix(".html")
        built = site / (name.with_name("index.html") if page.name == "README.md" else name)
        loaded = [script or link for script, link in LOADED.findall(built.read_text(encoding="utf-8"))]
        assert loaded, built
        for address in loaded:
            assert (built.parent / address.partition("?")[0]).resolve().is_file(), f"{address} in {built}"


def test_a_dead_link_ends_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = docs_site.stage

    def with_dead_link(folder: Path) -> None:
        stage(folder)
        with (folder / "docs" / "data.md").open("a") as page:
            page.write("\n[gone](nowhere.md)\n")

    monkeypatch.setattr(docs_site, "stage", with_dead_link)
    assert docs_site.main(["--target", str(tmp_path / "site")]) == 1

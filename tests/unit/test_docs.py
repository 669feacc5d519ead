"""The documentation: every link leads somewhere, every page can be reached, every command that is named exists."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from readmission.cli import VERBS

ROOT = Path(__file__).parents[2]
INDEX = ROOT / "docs" / "README.md"
PAGES = [
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "tests/e2e/README.md",
]
#: Fenced blocks, indented lines, and code within a sentence.
CODE = re.compile(r"```[\s\S]*?```|^ {4}\S.*$|`[^`]+`", re.M)


#: Fences of these languages are executed, each by the test that reads its page; `console` and indented lines are shown.
EXECUTED = ("bash", "sh", "python", "javascript")
EXECUTED_BY = {
    "docs/api.md": "tests/integration/api/test_examples.py",
    "docs/clinic.md": "tests/integration/api/test_worklist.py",
    "docs/quickstart.md": "tests/integration/api/test_quickstart.py",
    "docs/run-it-at-night.md": "tests/integration/training/test_tutorials.py",
    "docs/runbooks": "tests/integration/monitoring/test_runbooks.py",
    "docs/your-first-model.md": "tests/integration/training/test_tutorials.py",
}


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """Return a page without its fenced code, where brackets and hashes have another meaning."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, by GitHub's rule."""
    headings = re.findall(r"^#{1,6} (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Yield the file and the anchor that each relative link of a page leads to."""
    text = re.sub(r"`[^`\n]+`", "", prose(page))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            yield (page.parent / path).resolve() if path else page, anchor


def code(page: Path) -> str:
    return "\n".join(CODE.findall(page.read_text()))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target, anchor in links(page):
        assert target.exists(), f"{target} does not exist"
        assert not anchor or anchor in anchors(target), f"{target} has no heading #{anchor}"


def test_every_page_can_be_reached_from_the_index() -> None:
    reached, waiting = set(), [INDEX]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            waiting += [target for target, _ in links(page) if target.is_file()]
    assert {name(page) for page in PAGES if page not in reached} == set()


def targets() -> set[str]:
    rules = (ROOT / "Makefile").read_text() + (ROOT / "kubernetes.mk").read_text()
    return set(re.findall(r"^([a-z0-9-]+):(?!=)", rules, re.M))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"\bmake ([a-z][a-z0-9-]*)", code(page)))
    assert named <= targets()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_verb_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"(?:^|[`/ ])(?<!-n )(?<!from )readmission ([a-z][a-z-]+)(?![\w/.])", code(page), re.M))
    assert named <= set(VERBS)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_file_of_the_repository_that_is_named_exists(page: Path) -> None:
    folders = "bench|charts|docs|faults|images|loadtest|pipelines|scripts|serving|tests|values"
    for path in re.findall(rf"`((?:{folders})/[\w./-]+\.\w+)`", page.read_text()):
        assert (ROOT / path).exists(), path


def test_the_index_lists_every_page_of_its_folder() -> None:
    listed = {target for target, _ in links(INDEX)}
    missing = {page.name for page in (ROOT / "docs").glob("*.md")} - {
        page.name for page in listed if page.parent == INDEX.parent
    }
    assert missing == set()


def test_the_readme_names_every_folder_of_the_repository() -> None:
    ignored = {".git", ".venv", ".state", "dist"} | set((ROOT / ".gitignore").read_text().replace("/", "").split())
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()} - ignored
    folders = {folder for folder in folders if any((ROOT / folder).rglob("*.*")) and not folder.endswith("_cache")}
    named = set(re.findall(r"`([.\w-]+)/`", (ROOT / "README.md").read_text()))
    assert folders <= named


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("up SOURCE=/data/uci.zip", "READMISSION_SOURCE='/data/uci.zip' .venv/bin/readmission up"),
        ("clinic SOURCE=/data/uci.zip", "READMISSION_SOURCE='/data/uci.zip' .venv/bin/readmission clinic"),
        ("up DETACH=1", " .venv/bin/readmission up --detach"),
    ],
)
def test_make_hands_a_named_source_on(command: str, expected: str) -> None:
    variables = {name: value for name, value in os.environ.items() if name not in ("SOURCE", "DETACH", "MAKEFLAGS")}
    lines = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", *command.split()],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    last = lines.stdout.strip().splitlines()[-1]
    assert last.strip().startswith(expected.strip()), last


def test_every_block_of_commands_is_executed_or_marked_as_shown() -> None:
    fenced = {
        name(page.parent if page.parent.name == "runbooks" else page): language
        for page in PAGES
        for language in re.findall(r"^ *```(\w+)$", page.read_text(), re.M)
        if language in EXECUTED
    }
    assert fenced.keys() == EXECUTED_BY.keys(), (
        "name the test that executes the page, or fence what is shown as console"
    )
    for page, test in EXECUTED_BY.items():
        assert f'"{Path(page).name}"' in (ROOT / test).read_text().replace("docs/", ""), page

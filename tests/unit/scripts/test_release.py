"""A version is released in a clone of this repository; nothing leaves it half released."""

import re
import subprocess
import tarfile
import tomllib
from datetime import date
from pathlib import Path

import pytest
import release
from release import RefusedError

ROOT = Path(__file__).parents[3]
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A thing.\n\n## [0.1.0] - 2026-01-01\n\n- The first.\n"


def test_the_open_section_becomes_that_of_the_version() -> None:
    changelog, notes = release.close_section(CHANGELOG, "0.2.0", date(2026, 3, 4))
    assert notes == "### Added\n\n- A thing."
    assert "## [Unreleased]\n\n## [0.2.0] - 2026-03-04\n\n### Added\n\n- A thing.\n\n## [0.1.0]" in changelog
    assert release.first_notes(changelog, "0.1.0") == "- The first."
    with pytest.raises(RefusedError, match="empty"):
        release.close_section(changelog, "0.3.0", date(2026, 3, 4))
    with pytest.raises(RefusedError, match=r"has a section ## \[0\.1\.0\]"):
        release.close_section(CHANGELOG, "0.1.0", date(2026, 3, 4))


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", root, *arguments], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    git(ROOT, "clone", "--quiet", str(ROOT), str(folder))
    git(folder, "config", "user.name", "A releaser")
    git(folder, "config", "user.email", "releaser@example.org")
    for tag in git(folder, "tag").split():
        git(folder, "tag", "--delete", tag)
    return folder


def following(version: str) -> str:
    major, minor, _ = version.split(".")
    return f"{major}.{int(minor) + 1}.0"


def test_what_cannot_be_released_is_refused_and_nothing_changes(clone: Path) -> None:
    head, current = git(clone, "rev-parse", "HEAD"), release.current_version(clone)
    with pytest.raises(RefusedError, match="is not a version"):
        release.release(clone, "1.0")
    with pytest.raises(RefusedError, match="older than"):
        release.release(clone, "0.0.1")
    git(clone, "tag", f"v{current}")
    with pytest.raises(RefusedError, match="released already"):
        release.release(clone, current)
    (clone / "README.md").write_text("changed")
    with pytest.raises(RefusedError, match="not committed"):
        release.release(clone, following(current))
    git(clone, "checkout", "README.md")
    (clone / "scripts/generate.py").write_text("raise SystemExit(3)")
    git(clone, "commit", "--quiet", "--all", "--message", "break")
    broken = git(clone, "rev-parse", "HEAD")
    with pytest.raises(subprocess.CalledProcessError):
        release.release(clone, following(current))
    assert git(clone, "rev-parse", "HEAD") == broken != head
    assert git(clone, "status", "--porcelain", "--untracked-files=no") == ""
    assert git(clone, "tag") == f"v{current}"


def test_the_first_and_the_next_version_are_released(clone: Path) -> None:
    current, changelog = release.current_version(clone), (clone / "CHANGELOG.md").read_text()
    with pytest.raises(RefusedError, match=rf"not of {current}\. .* git tag -a v{current} COMMIT"):
        release.release(clone, current)
    (clone / "CHANGELOG.md").write_text(changelog.replace(f"\n{release.open_notes(changelog)}\n", ""))
    git(clone, "commit", "--quiet", "--all", "--message", "nothing new")
    first = release.release(clone, current)
    assert git(clone, "tag") == f"v{current}"
    assert (first / "RELEASE.md").read_text().startswith(f"# Readmission {current}\n")

    git(clone, "checkout", "--quiet", "HEAD^", "--", "CHANGELOG.md")
    git(clone, "commit", "--quiet", "--all", "--message", "something new")
    version = following(current)
    folder = release.release(clone, version)
    assert tomllib.loads((clone / "pyproject.toml").read_text())["project"]["version"] == version
    assert f"dist/readmission-{version}-py3-none-any.whl" in (clone / "bentofile.yaml").read_text()
    assert f"\nversion: {version}\n" in (clone / "values/env/defaults.yaml").read_text()
    assert git(clone, "show", "--no-patch", "--format=%s", "HEAD") == f"release: {version}"
    assert git(clone, "cat-file", "-t", f"v{version}") == "tag"
    with tarfile.open(folder / f"readmission-{version}.tgz") as archive:
        names = archive.getnames()
    assert "readmission/Chart.yaml" in names
    assert any("readmission/charts/inference" in name for name in names)
    assert f"inference:{version}" in (folder / "images.txt").read_text()
    notes = (folder / "RELEASE.md").read_text()
    assert "### Added" in notes
    assert "## [" not in notes


def test_the_list_of_images_names_the_base_by_digest(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert release.base_image(clone).startswith("python:") and "by its tag" in capsys.readouterr().out
    monkeypatch.setenv("PYTHON_IMAGE", "python:3.11")
    with pytest.raises(RefusedError, match="by digest"):
        release.base_image(clone)
    base = "python@sha256:" + "0123456789abcdef" * 4
    monkeypatch.setenv("PYTHON_IMAGE", base)
    lines = release.list_images(clone, "0.2.0").splitlines()
    assert lines[0] == f"base {base}"
    charts = [line for line in lines if line.startswith("chart ")]
    assert all(re.search(r"sha256:[0-9a-f]{64}", line) for line in charts) and "own demo:" in "\n".join(lines)

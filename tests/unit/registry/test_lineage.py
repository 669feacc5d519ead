"""The version of the code is the package's own, wherever the package lies."""

import shutil
import subprocess
from pathlib import Path

import pytest

from readmission.registry import lineage
from readmission.settings import Settings

SETTINGS = Settings(_env_file=None)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Copy the package, as a wheel would, into a checkout of another repository with one commit."""
    package = tmp_path / "site-packages" / "readmission"
    shutil.copytree(lineage._PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@t"]
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "theirs"]):
        subprocess.run([*git, *command], check=True)
    return package


def test_an_installed_package_has_the_version_of_its_files_not_of_the_checkout_around_it(installed: Path) -> None:
    assert lineage.code_version(installed) == lineage.code_version()
    assert lineage.revision(SETTINGS, installed) == ""
    models = installed / "models.py"
    models.write_text(models.read_text() + "\n# edited\n")
    lineage.code_version.cache_clear()
    assert lineage.code_version(installed) != lineage.code_version()


def test_the_commit_is_the_images_or_that_of_a_checkout_that_tracks_the_package(installed: Path) -> None:
    assert lineage.revision(Settings(_env_file=None, git_sha="abc123"), installed) == "abc123"
    root = installed.parents[1]
    git = ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@t"]
    for command in (["add", "."], ["commit", "-q", "-m", "ours"]):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert lineage.revision(SETTINGS, installed) == head
    assert lineage.tags(Settings(_env_file=None, git_sha="abc123"))["git_sha"] == "abc123"


def test_the_requirements_of_a_logged_pipeline_are_pinned() -> None:
    lines = lineage.requirements()
    assert lines[0].startswith("readmission==") and all("==" in line for line in lines)
    assert "scikit-learn==" in lineage.packages() and "readmission" not in lineage.packages()

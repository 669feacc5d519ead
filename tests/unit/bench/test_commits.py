"""Other commits are named as git names them, and their clones are deleted."""

from pathlib import Path

import pytest

from bench import commits
from readmission.errors import UserError


def test_an_unknown_commit_is_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"--baseline: this clone has no commit 'nope'"):
        commits.commit_id("nope")


def test_a_clone_has_the_files_of_its_commit_and_is_deleted(tmp_path: Path) -> None:
    with commits.fresh_clone(tmp_path / "clone", "HEAD") as clone:
        assert (clone / "Makefile").is_file()
    assert not clone.exists()

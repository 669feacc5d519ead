"""The benchmark of the first prediction: its comparison, and targets that fail."""

import os
from pathlib import Path

import pytest

from bench.pipeline import first
from readmission.errors import UserError


def test_the_medians_of_both_commits_are_compared() -> None:
    rounds = {
        "baseline": [dict.fromkeys(first.CLOCKS, seconds) for seconds in (100.0, 400.0, 120.0)],
        "this commit": [dict.fromkeys(first.CLOCKS, seconds) for seconds in (60.0, 30.0, 90.0)],
    }
    assert first.summary(rounds)[0] == "first prediction   120.0 s ->   60.0 s, 0.50 of the baseline"
    assert [line[:17].strip() for line in first.summary(rounds)] == list(first.CLOCKS)


def test_a_target_that_fails_ends_with_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("up:\n\t@echo no luck; exit 3\n")
    with pytest.raises(UserError, match=r"(?s)`make up` failed .*no luck"):
        first.make(tmp_path, "up", os.environ)

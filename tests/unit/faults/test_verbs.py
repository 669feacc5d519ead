"""Verbs as processes: their last message, a kill, two at once."""

import os
from pathlib import Path

import pytest

from faults.verbs import kill_after, run, run_twice
from readmission.errors import UserError


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return os.environ | {"READMISSION_HOME": str(tmp_path), "READMISSION_POSTGRES_PORT": "9"}


def test_the_last_message_of_a_verb_is_returned(environment: dict[str, str]) -> None:
    assert run(environment, "--version").startswith("readmission ")
    assert "READMISSION_POSTGRES_PASSWORD" in run(environment, "process", fails=True)


def test_a_verb_that_ends_otherwise_is_an_error(environment: dict[str, str]) -> None:
    with pytest.raises(UserError, match="ended with 0"):
        run(environment, "--version", fails=True)
    with pytest.raises(UserError, match="`readmission process` ended with 1"):
        run(environment, "process")
    with pytest.raises(UserError, match="twice at once"):
        run_twice(environment, "process")


def test_two_at_once_each_have_their_say(environment: dict[str, str]) -> None:
    assert [message[:20] for message in run_twice(environment, "--version")] == ["exit 0: readmission "] * 2


def test_a_verb_that_has_ended_was_not_killed_at_work(environment: dict[str, str]) -> None:
    assert not kill_after(environment, 2.0, "--version")

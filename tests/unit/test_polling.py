"""Waiting with a deadline."""

import time

import pytest

from readmission.errors import UserError
from readmission.polling import wait_until


def test_it_returns_as_soon_as_the_condition_holds() -> None:
    answers = iter([False, False, True])
    wait_until(lambda: next(answers), seconds=5, every=0.01, failure="never")
    assert next(answers, None) is None


def test_it_fails_with_the_sentence_when_the_time_is_over() -> None:
    began = time.monotonic()
    with pytest.raises(UserError, match="MLflow did not start"):
        wait_until(lambda: False, seconds=0.2, every=0.05, failure="MLflow did not start")
    assert time.monotonic() - began < 2


def test_the_sentence_may_say_what_was_seen_last() -> None:
    seen: list[int] = []

    def ready() -> bool:
        seen.append(len(seen))
        return False

    with pytest.raises(UserError, match="seen 0 to"):
        wait_until(ready, seconds=0.1, every=0.02, failure=lambda: f"seen {seen[0]} to {seen[-1]}")

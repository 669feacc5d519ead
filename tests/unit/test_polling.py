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

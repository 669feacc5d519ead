"""Failed attempts are counted and answered later and later; an address that rests is forgotten."""

import asyncio
import logging
import time

import pytest

from serving import metrics
from serving.edge import attempts
from serving.edge.attempts import Attempts, address_of


def count() -> float:
    return metrics.failed_attempts._value.get()


def test_the_more_attempts_the_longer_the_answer_takes(caplog: pytest.LogCaptureFixture) -> None:
    guard, before = Attempts(), count()
    waits = [guard._delay("10.0.0.9") for _ in range(12)]
    assert waits == [0, 0, 0, 0, 0, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert guard._delay("10.0.0.8") == 0.0, "another address has its own count"
    began = time.monotonic()
    asyncio.run(guard.slow("10.0.0.8"))
    assert time.monotonic() - began < 0.09 and count() == before + 1
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert sum("10.0.0.9" in line for line in lines) == 4, "1, 2, 4 and 8 attempts are logged"


def test_after_a_minute_it_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    guard = Attempts()
    for _ in range(9):
        guard._delay("a")
    monkeypatch.setattr(attempts, "_MEMORY", 0.0)
    assert guard._delay("a") == 0.0


def test_memory_and_waiting_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_ADDRESSES", 3)
    monkeypatch.setattr(attempts, "_WAITING", 0)
    guard = Attempts()
    for number in range(20):
        guard._delay(str(number))
    assert len(guard._counts) == 3
    for _ in range(12):
        guard._delay("a")
    began = time.monotonic()
    asyncio.run(guard.slow("a"))
    assert time.monotonic() - began < 0.5


def test_an_address_may_be_absent_and_is_never_another_text() -> None:
    assert (address_of(None), address_of(("10.0.0.9", 5)), address_of(("::1", 5))) == ("", "10.0.0.9", "::1")
    assert address_of(("patient 8222157", 0)) == "", "a header of a proxy may hold anything"

"""The statistics of the rounds."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from bench.serving import drive, rounds
from bench.serving.peers import BY_NAME
from loadtest.payloads import Record
from loadtest.result import Result
from readmission import contract
from tests.unit.bench.serving.sessions import RESULT, figure

RECORDS: list[Record] = [dict(contract.EXAMPLE)]
PLAN = rounds.Plan(rounds=3, workers=(1,), sizes=(1,), seconds={1: 1.0}, connections={1: 8})


def service(name: str) -> Any:
    watch = SimpleNamespace(spent=lambda: 0.0)
    return SimpleNamespace(peer=BY_NAME[name], url=name, watch=watch, memory_mb=100.0, cold_start=2.0)


def test_figures_are_medians_and_ratios_are_of_the_same_round(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {"noop/predict": [1.0, 10.0, 40.0, 30.0], "echo/predict": [1.0, 100.0, 100.0, 60.0]}

    def send(url: str, *_: object, **__: object) -> Result:
        return msgspec.structs.replace(RESULT, per_second=rates[url].pop(0), failed=1)

    monkeypatch.setattr(drive, "send", send)
    services = {name: service(name) for name in ("noop", "echo")}
    measured = rounds.Measured()
    rounds._measure(services, PLAN, 1, 1, RECORDS, measured)
    noop, echo = sorted(rounds._figures(measured, services, 1, 1), key=lambda f: f.peer, reverse=True)
    # The first run of each service only warms it up.
    assert (noop.per_second, noop.lowest, noop.highest) == (30.0, 10.0, 40.0)
    assert (noop.ratios, noop.ratio) == ((0.1, 0.4, 0.5), 0.4)
    assert (echo.ratios, echo.failed, echo.memory_mb) == ((1.0, 1.0, 1.0), 3, 100.0)


def test_batches_are_of_their_size_and_differ() -> None:
    records: list[Record] = [{"time_in_hospital": number} for number in range(1, 15)]
    path, bodies = rounds._requests(BY_NAME["ours"], 100, records)
    assert path == "/predict_batch" and len(set(bodies)) > 1
    assert all(len(msgspec.json.decode(body)["records"]) == 100 for body in bodies)
    path, bodies = rounds._requests(BY_NAME["noop"], 1, records)
    assert path == "/predict" and [msgspec.json.decode(body) for body in bodies] == records


def test_a_plan_keeps_what_is_not_replaced() -> None:
    assert rounds.FULL.of(0) == rounds.FULL
    assert rounds.FULL.of(5, (1, 2)).workers == (1, 2)
    assert rounds.FULL.of(5).rounds == 5
    assert rounds.FULL.of(5, starts=3).starts == 3


def test_rounds_of_all_starts_count(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []

    @contextmanager
    def running(peer: Any, *_: object) -> Iterator[Any]:
        started.append(peer.name)
        yield service(peer.name)

    monkeypatch.setattr(rounds, "running", running)
    monkeypatch.setattr(drive, "send", lambda *_, **__: RESULT)
    plan = msgspec.structs.replace(PLAN, starts=2)
    (echo,) = rounds.run([BY_NAME["echo"]], plan, Path(), RECORDS, 1).figures
    assert started == ["echo", "echo"] and len(echo.ratios) == 6


def test_the_half_load_is_the_round_of_the_median_p99(monkeypatch: pytest.MonkeyPatch) -> None:
    delays = [9.0, 1.0, 4.0]
    asked: list[float] = []

    def send(url: str, bodies: object, connections: int, seconds: float, rate: float) -> Result:
        asked.append(rate)
        return msgspec.structs.replace(RESULT, p99_ms=delays.pop(0))

    monkeypatch.setattr(drive, "send", send)
    result = rounds._half(service("ours"), PLAN, [figure("echo", 100), figure("ours", 5000)], RECORDS)
    assert (result.p99_ms, asked) == (4.0, [2500.0] * 3)

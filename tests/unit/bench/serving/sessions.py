"""Figures and sessions that the tests judge: an API that keeps every promise, but for the values given."""

import msgspec

from bench.serving.rounds import Figure, Session
from loadtest.result import Result

RESULT = Result(
    seconds=1.0,
    answered=100,
    failed=0,
    per_second=100.0,
    p50_ms=1.0,
    p95_ms=2.0,
    p99_ms=3.0,
    worst_ms=4.0,
    statuses={"200": 100},
    broken=0,
)


def figure(peer: str, rate: float, size: int = 1, workers: int = 1, **values: float) -> Figure:
    ratio = rate / 10_000
    usual = Figure(
        peer=peer,
        workers=workers,
        size=size,
        per_second=rate,
        lowest=rate,
        highest=rate,
        ratio=ratio,
        ratios=(ratio, ratio),
        p50_ms=1.0,
        p95_ms=2.0,
        p99_ms=3.0,
        failed=0,
        memory_mb=100.0,
        cold_start=2.0,
    )
    return msgspec.structs.replace(usual, **values)


def session(ours: float = 5000, **values: float) -> Session:
    rates = {"mlflow": 50, "pyfunc": 40, "stock": 100, "noop": 2000, "echo": 10_000}
    batch = figure("ours", 1, 10_000, 1, **({"p50_ms": 100.0} | values))
    figures = [figure("ours", ours, 1, 1, **values), batch]
    return Session([*figures, *(figure(name, rate) for name, rate in rates.items())], RESULT)

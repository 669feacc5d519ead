"""Moments and summaries of runs that the tests judge."""

from typing import Any

import msgspec

from loadtest.limits import Moment, Summary

SUMMARY = Summary(
    requests=1000,
    failures=0,
    requests_per_second=100.0,
    p50_ms=2.0,
    p95_ms=20.0,
    p99_ms=40.0,
    worst_ms=60.0,
    users=100,
)


def moment(second: float = 10, **values: Any) -> Moment:
    """Return a moment of an API that does well, but for these values."""
    usual = Moment(
        second=second,
        users=100,
        requests_per_second=50.0,
        failures_per_second=0.0,
        p50_ms=2.0,
        p95_ms=9.0,
        p99_ms=20.0,
    )
    return msgspec.structs.replace(usual, **values)

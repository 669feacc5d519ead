"""Limits of a load test, and which of them a run breached."""

from collections.abc import Iterable

import msgspec

from loadtest.profiles import Limits

#: Exit code of a breached limit; 1 is a program that failed, 2 a wrong command line.
EXIT_CODE = 3


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """One second of a run. Percentiles cover the last ten seconds, in milliseconds.

    CPU is in cores and memory in MB (proportional set size), summed over the API's processes. They are None if the
    processes are not visible.
    """

    second: float
    users: int
    requests_per_second: float
    failures_per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    api_cpu: float | None = None
    api_memory_mb: float | None = None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Summary of a run: latencies in milliseconds, rates per second."""

    requests: int
    failures: int
    requests_per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    worst_ms: float
    users: int

    @property
    def error_ratio(self) -> float:
        """Return the share of failed requests."""
        return self.failures / self.requests if self.requests else 1.0


def breaches(limits: Limits, summary: Summary, moments: list[Moment]) -> list[str]:
    """Return a sentence for every limit that the run breached."""
    if not summary.requests:
        return ["no request was answered at all"]
    growth = memory_growth(moments)
    checks: Iterable[tuple[str, float | None, float | None, int]] = (
        ("p95 of {:,.0f} ms is above {:,.0f} ms", limits.p95_ms, summary.p95_ms, 1),
        ("p99 of {:,.0f} ms is above {:,.0f} ms", limits.p99_ms, summary.p99_ms, 1),
        ("a share of {:.2%} failed requests is above {:.2%}", limits.error_ratio, summary.error_ratio, 1),
        (
            "{:,.1f} requests a second are fewer than {:,.1f}",
            limits.requests_per_second,
            summary.requests_per_second,
            -1,
        ),
        ("{:,.0f} users carried are fewer than {:,.0f}", limits.users, summary.users, -1),
        ("memory of the API grew by {:,.0f} MB, more than {:,.0f} MB", limits.memory_growth_mb, growth, 1),
    )
    return [
        sentence.format(measured, limit)
        for sentence, limit, measured, direction in checks
        if limit is not None and measured is not None and direction * measured > direction * limit
    ]


def broken(limits: Limits, moment: Moment) -> bool:
    """Tell whether one moment breaches the limits; this ends a profile that searches for the break."""
    return (
        (limits.p95_ms is not None and moment.p95_ms > limits.p95_ms)
        or (limits.p99_ms is not None and moment.p99_ms > limits.p99_ms)
        or (
            limits.error_ratio is not None
            and moment.failures_per_second > limits.error_ratio * moment.requests_per_second
        )
    )


def carried(limits: Limits, moments: list[Moment]) -> int:
    """Return the highest number of users in a moment within the limits."""
    return max((moment.users for moment in moments if not broken(limits, moment)), default=0)


def memory_growth(moments: list[Moment]) -> float | None:
    """Return by how many MB the API grew after the first minute, or None if its memory is not known."""
    seen = [m.api_memory_mb for m in moments if m.api_memory_mb is not None and m.second >= 60]
    return seen[-1] - seen[0] if len(seen) > 1 else None

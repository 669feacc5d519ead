"""Result of one run of a load generator."""

from collections import Counter
from collections.abc import Sequence

import msgspec


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one run. Latencies are in milliseconds and cover answers with 2xx only.

    Attributes:
        statuses: Number of answers by HTTP status.
        broken: Connections that ended, or never answered, while a request was in flight.
    """

    seconds: float
    answered: int
    failed: int
    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    worst_ms: float
    statuses: dict[str, int]
    broken: int


def summarise(seconds: float, latencies: Sequence[float], statuses: Counter[int], broken: int) -> Result:
    """Summarise a run.

    Args:
        seconds: Duration of the run.
        latencies: Latencies of the answers with 2xx, in seconds.
        statuses: Number of all answers by status.
        broken: Connections that ended while a request was in flight.
    """
    ordered = sorted(latencies)
    answered = len(ordered)

    def at(share: float) -> float:
        return 1000 * ordered[min(int(share * answered), answered - 1)] if answered else 0.0

    return Result(
        seconds=seconds,
        answered=answered,
        failed=sum(statuses.values()) - answered + broken,
        per_second=answered / seconds,
        p50_ms=at(0.5),
        p95_ms=at(0.95),
        p99_ms=at(0.99),
        worst_ms=at(1.0),
        statuses={str(status): count for status, count in sorted(statuses.items())},
        broken=broken,
    )

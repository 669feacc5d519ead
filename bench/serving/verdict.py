"""Hold the promises about speed against what was measured."""

from collections.abc import Sequence

import msgspec

from bench.serving.rounds import Figure, Session

#: Times our single-row rate of one worker must be that of another service's.
AT_LEAST = {"pyfunc": 100.0, "mlflow": 60.0, "stock": 8.0, "noop": 1.0, "echo": 0.2}
BATCH_MS = 150.0
HALF_LOAD_P99_MS = 10.0
MEMORY_MB = 300.0
COLD_START_S = 5.0
SCALING = 1.7
#: Cores that two busy workers and the load generator need before their scaling says anything.
CORES = 4


class Promise(msgspec.Struct, frozen=True):
    """Hold one promise; `holds` is None where this machine or run cannot judge it."""

    what: str
    wanted: str
    measured: str
    holds: bool | None


def promises(session: Session, cores: int) -> list[Promise]:
    """Judge every promise that the session measured."""
    by_key = {(f.peer, f.workers, f.size): f for f in session.figures}
    ours = by_key[("ours", 1, 1)]
    found = [_faster(ours, by_key[(name, 1, 1)], least) for name, least in AT_LEAST.items() if (name, 1, 1) in by_key]
    if session.half is not None:
        what = f"p99 at half of capacity ({session.half.per_second:,.0f} requests/s, open loop)"
        found.append(_below(what, session.half.p99_ms, HALF_LOAD_P99_MS, "ms"))
    if (batch := by_key.get(("ours", 1, 10_000))) is not None:
        found.append(
            Promise(
                "10,000 records in one request",
                f"< {BATCH_MS:g} ms",
                f"{batch.p50_ms:,.0f} ms",
                batch.p50_ms < BATCH_MS,
            )
        )
    if (two := by_key.get(("ours", 2, 1))) is not None:
        times = two.per_second / ours.per_second
        judged = times >= SCALING if cores >= CORES else None
        found.append(Promise("two workers to one", f">= {SCALING:g} x", f"{times:.2f} x ({cores} cores)", judged))
        if ours.cpu_ms and two.cpu_ms:
            # What two workers could do with a core each: a request must not become dearer by the other's company.
            could = 2 * ours.cpu_ms / two.cpu_ms
            said = f"{could:.2f} x ({ours.cpu_ms:.3f} ms a request alone, {two.cpu_ms:.3f} ms beside another)"
            found.append(Promise("two workers to one by CPU", f">= {SCALING:g} x", said, could >= SCALING))
    memory = max(figure.memory_mb for figure in session.figures if figure.peer == "ours" and figure.workers == 1)
    found.append(
        Promise("memory of the API, one worker", f"< {MEMORY_MB:g} MB", f"{memory:,.0f} MB", memory < MEMORY_MB)
    )
    start = ours.cold_start
    found.append(Promise("start to ready", f"< {COLD_START_S:g} s", f"{start:.1f} s", start < COLD_START_S))
    failed = sum(figure.failed for figure in session.figures if figure.peer == "ours")
    found.append(Promise("failed requests of the API", "0", str(failed), failed == 0))
    return found


def _below(what: str, measured: float, limit: float, unit: str) -> Promise:
    return Promise(what, f"< {limit:g} {unit}", f"{measured:,.1f} {unit}", measured < limit)


def _faster(ours: Figure, other: Figure, least: float) -> Promise:
    # Round by round: what disturbs a round disturbs both.
    times = _median([a / b for a, b in zip(ours.ratios, other.ratios, strict=True) if b])
    what = f"single rows, times {other.peer}"
    return Promise(what, f">= {least:g} x", f"{times:,.2f} x", times >= least)


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else 0.0

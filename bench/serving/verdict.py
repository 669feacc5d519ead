"""The promises about speed, judged by what was measured."""

import msgspec

from bench.serving.rounds import Figure, Session

#: By which factor our single-row rate of one worker must exceed that of another service.
AT_LEAST = {"pyfunc": 100.0, "mlflow": 60.0, "stock": 8.0, "noop": 1.0, "echo": 0.2}
#: Least share of the baseline commit's rate, at each size. Two runs of one commit differ by a few percent.
OF_BASELINE = 0.95
BATCH_MS = 150.0
HALF_LOAD_P99_MS = 10.0
MEMORY_MB = 300.0
COLD_START_S = 5.0
SCALING = 1.7
#: Cores that two busy workers and the load generator need before their scaling says anything.
CORES = 4


class Promise(msgspec.Struct, frozen=True):
    """One promise; `holds` is None where this machine or run cannot judge it."""

    what: str
    limit: str
    measured: str
    holds: bool | None


def promises(session: Session, cores: int) -> list[Promise]:
    """Judge every promise that the session measured."""
    figures = {(f.peer, f.workers, f.size): f for f in session.figures}
    judged = [
        _at_least_times(figures[("ours", 1, 1)], figures[(name, 1, 1)], least)
        for name, least in AT_LEAST.items()
        if (name, 1, 1) in figures
    ]
    judged += [
        _at_least_times(ours, figures[("baseline", workers, size)], OF_BASELINE)
        for (name, workers, size), ours in figures.items()
        if name == "ours" and ("baseline", workers, size) in figures
    ]
    if session.half is not None:
        what = f"p99 at half of capacity ({session.half.per_second:,.0f} requests/s, open loop)"
        judged.append(_below(what, session.half.p99_ms, HALF_LOAD_P99_MS, "ms", digits=1))
    if (batch := figures.get(("ours", 1, 10_000))) is not None:
        judged.append(_below("10,000 records in one request", batch.p50_ms, BATCH_MS, "ms"))
    if (two := figures.get(("ours", 2, 1))) is not None:
        judged += _scaling(figures[("ours", 1, 1)], two, cores)
    ours = [figure for figure in session.figures if figure.peer == "ours"]
    alone = [figure for figure in ours if figure.workers == 1]
    memory_mb = max(figure.memory_mb for figure in alone)
    judged.append(_below("memory of the API, one worker", memory_mb, MEMORY_MB, "MB"))
    judged.append(_below("start to ready", alone[0].cold_start, COLD_START_S, "s", digits=1))
    failed = sum(figure.failed for figure in ours)
    judged.append(Promise("failed requests of the API", "0", str(failed), failed == 0))
    return judged


def _scaling(alone: Figure, beside: Figure, cores: int) -> list[Promise]:
    """Judge two workers against one, by rate (where there are cores for it) and by the CPU time of a request."""
    times = beside.per_second / alone.per_second
    holds = times >= SCALING if cores >= CORES else None
    judged = [Promise("two workers to one", f">= {SCALING:g} x", f"{times:.2f} x ({cores} cores)", holds)]
    if alone.cpu_ms and beside.cpu_ms:
        # What two workers could do with a core each: a request must not cost more CPU beside another worker.
        possible = 2 * alone.cpu_ms / beside.cpu_ms
        measured = f"{possible:.2f} x ({alone.cpu_ms:.3f} ms a request alone, {beside.cpu_ms:.3f} ms beside another)"
        judged.append(Promise("two workers to one by CPU", f">= {SCALING:g} x", measured, possible >= SCALING))
    return judged


def _below(what: str, measured: float, limit: float, unit: str, digits: int = 0) -> Promise:
    return Promise(what, f"< {limit:g} {unit}", f"{measured:,.{digits}f} {unit}", measured < limit)


def _at_least_times(ours: Figure, other: Figure, least: float) -> Promise:
    # Round by round: what disturbs a round disturbs both.
    ratios = sorted(a / b for a, b in zip(ours.ratios, other.ratios, strict=True) if b)
    times = ratios[len(ratios) // 2] if ratios else 0.0
    rows = "single rows" if ours.size == 1 else f"{ours.size:,} rows"
    return Promise(f"{rows}, times {other.peer}", f">= {least:g} x", f"{times:,.2f} x", times >= least)

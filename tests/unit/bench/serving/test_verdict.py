"""The promises: all hold for a fast service, and each can break."""

import pytest

from bench.serving import verdict
from bench.serving.rounds import Session
from tests.unit.bench.serving.sessions import figure, session


def test_all_promises_hold_for_a_fast_service() -> None:
    promises = verdict.promises(session(), cores=2)
    assert [promise.what for promise in promises if promise.holds is not True] == []


@pytest.mark.parametrize(
    ("measured", "broken"),
    [
        (session(3900), {"single rows, times pyfunc"}),
        (session(1500), {f"single rows, times {name}" for name in ("pyfunc", "mlflow", "noop", "echo")}),
        (session(memory_mb=400), {"memory of the API, one worker"}),
        (session(cold_start=9), {"start to ready"}),
        (session(p50_ms=151), {"10,000 records in one request"}),
        (session(failed=1), {"failed requests of the API"}),
    ],
)
def test_each_promise_can_break(measured: Session, broken: set[str]) -> None:
    assert {promise.what for promise in verdict.promises(measured, cores=2) if promise.holds is False} == broken


@pytest.mark.parametrize(("cores", "rate", "holds"), [(2, 5000, None), (4, 5000, False), (4, 9000, True)])
def test_scaling_is_judged_only_where_there_are_cores(cores: int, rate: float, holds: bool | None) -> None:
    measured = session()
    measured.figures.append(figure("ours", rate, workers=2))
    assert {p.what: p.holds for p in verdict.promises(measured, cores)}["two workers to one"] is holds


@pytest.mark.parametrize(("alone", "beside", "holds"), [(0.1, 0.11, True), (0.1, 0.13, False)])
def test_scaling_is_judged_by_cpu_on_any_machine(alone: float, beside: float, holds: bool) -> None:
    measured = session(cpu_ms=alone)
    measured.figures.append(figure("ours", 5000, workers=2, cpu_ms=beside))
    assert {p.what: p.holds for p in verdict.promises(measured, 2)}["two workers to one by CPU"] is holds


@pytest.mark.parametrize(("rate", "holds"), [(5_200, True), (5_600, False)])
def test_the_rate_of_the_baseline_commit_is_kept_at_each_size(rate: float, holds: bool) -> None:
    measured = session()
    measured.figures += [figure("baseline", rate), figure("baseline", 0.5, 10_000)]
    judged = {promise.what: promise.holds for promise in verdict.promises(measured, 2)}
    assert judged["single rows, times baseline"] is holds
    assert judged["10,000 rows, times baseline"] is True

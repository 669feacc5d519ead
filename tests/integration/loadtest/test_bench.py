"""The benchmark's judgement, and a short real run of it."""

import subprocess
from pathlib import Path

import msgspec
import pytest

from bench.serving import drive, ratios, rounds, subject, tables, verdict
from bench.serving.capacity import Finder, write
from bench.serving.peers import BY_NAME, PEERS, running
from bench.serving.ratios import Ratio
from bench.serving.rounds import Figure, Session
from loadtest.processes import Watch
from loadtest.result import Result
from readmission import contract
from readmission.errors import UserError

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
MODEL = {"family": "lightgbm", "trees": 200, "rows": 10, "synthetic": True}


def figure(peer: str, rate: float, size: int = 1, workers: int = 1, **values: float) -> Figure:
    usual = {"p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 3.0, "failed": 0, "memory_mb": 100.0, "cold_start": 2.0}
    ratio = rate / 10_000
    known = {"lowest": rate, "highest": rate, "ratio": ratio, "ratios": (ratio, ratio), **usual, **values}
    return Figure(peer=peer, workers=workers, size=size, per_second=rate, **known)  # type: ignore[arg-type]


def session(ours: float = 5000, **values: float) -> Session:
    rates = {"mlflow": 50, "pyfunc": 40, "stock": 100, "noop": 2000, "echo": 10_000}
    batch = figure("ours", 1, 10_000, 1, **({"p50_ms": 100.0} | values))
    figures = [figure("ours", ours, 1, 1, **values), batch]
    return Session([*figures, *(figure(name, rate) for name, rate in rates.items())], RESULT)


def test_all_promises_hold_for_a_fast_service() -> None:
    found = verdict.promises(session(), cores=2)
    assert [promise.what for promise in found if promise.holds is not True] == []


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


def test_tables_and_picture_are_written(tmp_path: Path) -> None:
    text = tables.write(tmp_path, session(), MODEL, verdict.promises(session(), 2))
    assert "| **readmission API** | 5,000 (5,000–5,000) | 0.5 |" in text
    assert "| single rows, times pyfunc | >= 100 x | 125.00 x | PASS |" in text
    assert (tmp_path / "bench.md").read_text() == text
    assert msgspec.json.decode((tmp_path / "bench.json").read_bytes())["model"] == MODEL
    assert (tmp_path / "bench.svg").stat().st_size > 1000


def test_ratios_fail_beyond_noise_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ratios.json"
    ratios.store({"ours/echo": Ratio(0.30, 0.25, 0.35)}, path)
    assert ratios.compare({"ours/echo": Ratio(0.16, 0.14, 0.18)}, path) == []
    assert "slower beyond noise" in ratios.compare({"ours/echo": Ratio(0.12, 0.10, 0.14)}, path)[0]
    monkeypatch.setattr(drive, "tool", lambda: "another")
    with pytest.raises(UserError, match="No ratios are stored for another"):
        ratios.compare({}, path)
    ratios.store({"ours/echo": Ratio(0.5, 0.5, 0.5)}, path)
    assert len(msgspec.json.decode(path.read_bytes())) == 2, "those of the other generator stay"


def test_stored_ratios_cover_both_generators() -> None:
    assert set(msgspec.json.decode(ratios.STORED.read_bytes())) == {"wrk", "loadtest.generator"}


def test_every_service_is_asked_the_same_complete_rows() -> None:
    records = subject.requests("", 3)[:5]
    assert all(tuple(record) == contract.FEATURE_NAMES for record in records)
    split = msgspec.json.decode(BY_NAME["mlflow"].single[1](records))["dataframe_split"]
    assert [str(v).removesuffix(".0") for v in split["data"][0]] == [str(v) for v in records[0].values()]
    for peer in PEERS:
        for _, body in filter(None, (peer.single, peer.many)):
            assert b"\n" not in body(records), "one request a line"


def test_a_service_that_does_not_start_is_said(tmp_path: Path, port: int) -> None:
    with pytest.raises(RuntimeError, match="is not ready"), running(BY_NAME["pyfunc"], port, 1, tmp_path):
        pass


def test_short_run_side_by_side(tmp_path: Path, port: int) -> None:
    plan = rounds.Plan(rounds=2, workers=(1,), sizes=(1,), seconds={1: 1.0}, connections={1: 8})
    peers = [BY_NAME["noop"], BY_NAME["echo"]]
    measured = rounds.run(peers, plan, tmp_path, subject.requests("", 1)[:50], port)
    by_name = {found.peer: found for found in measured.figures}
    assert by_name["noop"].failed == by_name["echo"].failed == 0
    assert 0 < by_name["noop"].ratio < by_name["echo"].ratio == 1
    assert by_name["noop"].memory_mb > 20
    left = subprocess.run(["pgrep", "-f", f"bench.serving.apps.*--port {port}"], capture_output=True, check=False)
    assert left.stdout == b"", "a service outlived the benchmark"


def test_capacity_is_found_between_what_holds_and_what_breaks(tmp_path: Path, port: int) -> None:
    with running(BY_NAME["echo"], port, 1, tmp_path) as service:
        finder = Finder(service.url, 1, Watch(service.process.pid), 5000.0, 0.5)
        finder.holds = lambda users: users <= 700  # type: ignore[method-assign]
        assert 600 <= finder.find(100) <= 700
        finder = Finder(service.url, 1, Watch(service.process.pid), 5000.0, 0.5)
        assert finder.holds(20)
        assert finder.steps[0].result.answered > 0
        assert finder.steps[0].memory_mb
    assert "| 1 | 20 |" in write(tmp_path, finder.steps, {1: 20}, 5000.0)
    assert (tmp_path / "capacity.svg").stat().st_size > 1000

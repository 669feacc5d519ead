"""Short real runs of the benchmarks of serving; their judgement is in tests/unit/bench/serving."""

import subprocess
from pathlib import Path

import pytest

from bench.serving import rounds, subject
from bench.serving.capacity import Finder, write
from bench.serving.peers import BY_NAME, running
from loadtest.processes import Watch
from readmission.errors import UserError


def test_a_service_that_does_not_start_is_an_error(tmp_path: Path, port: int) -> None:
    with pytest.raises(UserError, match="is not ready"), running(BY_NAME["pyfunc"], port, 1, tmp_path):
        pass


def test_short_run_side_by_side(tmp_path: Path, port: int) -> None:
    plan = rounds.Plan(rounds=2, workers=(1,), sizes=(1,), seconds={1: 1.0}, connections={1: 8})
    peers = [BY_NAME["noop"], BY_NAME["echo"]]
    measured = rounds.run(peers, plan, tmp_path, subject.requests("", 1)[:50], port)
    by_name = {figure.peer: figure for figure in measured.figures}
    assert by_name["noop"].failed == by_name["echo"].failed == 0
    assert 0 < by_name["noop"].ratio < by_name["echo"].ratio == 1
    assert by_name["noop"].memory_mb > 20
    left = subprocess.run(["pgrep", "-f", f"bench.serving.apps.*--port {port}"], capture_output=True, check=False)
    assert left.stdout == b"", "a service outlived the benchmark"


def test_a_trial_of_the_capacity_search_measures_the_api(tmp_path: Path, port: int) -> None:
    with running(BY_NAME["echo"], port, 1, tmp_path) as service:
        finder = Finder(service.url, 1, Watch(service.process.pid), 5000.0, 0.5)
        assert finder.holds(20)
        assert finder.steps[0].result.answered > 0
        assert finder.steps[0].memory_mb
    assert "| 1 | 20 |" in write(tmp_path, finder.steps, {1: 20}, 5000.0)
    assert (tmp_path / "capacity.svg").stat().st_size > 1000

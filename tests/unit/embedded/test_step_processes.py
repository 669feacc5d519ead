"""Processes of the steps, with real ones."""

import os
import signal
from pathlib import Path

import pytest

from readmission.embedded.step_processes import DATA, StepProcesses
from readmission.errors import UserError


@pytest.fixture
def no_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let steps find settings and no database."""
    monkeypatch.setenv("READMISSION_HOME", str(tmp_path))
    monkeypatch.setenv("READMISSION_POSTGRES_PORT", "1")
    monkeypatch.setenv("READMISSION_POSTGRES_PASSWORD_PROCESS", "none")


@pytest.mark.usefixtures("no_database")
def test_a_step_that_fails_is_an_error_and_its_process_runs_the_next(capfd: pytest.CaptureFixture[str]) -> None:
    with StepProcesses() as steps:
        process = steps.prepare(DATA)
        for _ in range(2):
            with pytest.raises(UserError, match="`process` failed"):
                steps.run("process")
        assert steps.prepare(DATA) is process
        assert process.poll() is None
    assert process.poll() == 0
    assert capfd.readouterr().err.count("cannot be used by role readmission_process") == 2


@pytest.mark.usefixtures("no_database")
def test_a_process_that_was_killed_fails_its_step_and_is_replaced() -> None:
    with StepProcesses() as steps:
        process = steps.prepare(DATA)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert steps.prepare(DATA) is not process


def test_an_error_ends_a_process_that_has_not_ended() -> None:
    steps = StepProcesses()
    with pytest.raises(KeyboardInterrupt), steps:
        process = steps.prepare(DATA)
        raise KeyboardInterrupt
    assert process.poll() is not None

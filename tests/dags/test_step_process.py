"""The operator as a process: how it is called, how it ends, and what ends it."""

import os
import signal
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import RAW, attempt, configured


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that notes how it was called and ends as its environment says."""
    path = tmp_path / "readmission"
    path.write_text(
        f"""#!/bin/sh
echo "$@" > {tmp_path}/called; env > {tmp_path}/environment
echo "a line of progress"
case "$5" in ingest) echo '{{"step": "ingest", "result": [7]}}' > "$4";; esac
case "$READMISSION_TEST" in sleep) echo $$ > {tmp_path}/pid; exec sleep 60;; esac
echo "the last sentence" >&2
exit "$READMISSION_TEST"
"""
    )
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return path


def run(program: Path, code: str, try_number: int = 1, arguments: tuple[str, ...] = (), task_id: str = "ingest") -> Any:
    os.environ["READMISSION_TEST"] = code
    try:
        with configured(runtime="local", command=str(program)) as operator:
            step = operator.Step(task_id=task_id, arguments=arguments, outlets=[RAW])
            return step.execute(attempt(task_id, try_number))
    finally:
        del os.environ["READMISSION_TEST"]


def test_a_process_is_called_with_the_verb_and_sees_nothing_of_airflow(program: Path, tmp_path: Path) -> None:
    run(program, "0", arguments=("--next", ""))
    called = (tmp_path / "called").read_text().split()
    assert called[:3] == ["--nothing-to-do", "99", "--result"] and called[4:] == ["ingest", "--next"]
    names = {line.partition("=")[0] for line in (tmp_path / "environment").read_text().splitlines()}
    assert "READMISSION_TEST" in names
    assert not {name for name in names if name.startswith("AIRFLOW")}


def test_a_failure_carries_code_and_last_sentence(program: Path) -> None:
    from airflow.sdk.exceptions import AirflowException

    with pytest.raises(AirflowException, match="ingest exited with 3: the last sentence"):
        run(program, "3")


def test_a_refusal_is_not_retried(program: Path) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(AirflowFailException, match="ingest refuses: the last sentence"):
        run(program, "2")


def test_the_result_is_kept_for_the_next_tasks_and_with_the_event_of_the_asset(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("READMISSION_TEST", "0")
    with configured(runtime="local", command=str(program)) as operator:
        for task_id, result in (("ingest", {"result": [7]}), ("train", {})):
            context = attempt(task_id)
            operator.Step(task_id=task_id, outlets=[RAW]).execute(context)
            assert context["ti"].pushed == result
            assert context["outlet_events"][RAW].extra == ({"ingest": [7]} if result else {})


def test_a_judgement_that_finds_nothing_is_skipped_at_every_attempt(program: Path) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    with pytest.raises(AirflowSkipException):
        run(program, "99", try_number=2, task_id="judge")


def test_nothing_to_do_is_skipped_at_once_and_told_on_after_a_lost_attempt(program: Path) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    with pytest.raises(AirflowSkipException):
        run(program, "99")
    assert run(program, "99", try_number=2) is None


def test_a_stopped_task_ends_its_process(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READMISSION_TEST", "sleep")
    with configured(runtime="local", command=str(program)) as operator:
        step = operator.Step(task_id="ingest")
        failure: list[BaseException] = []

        def target() -> None:
            try:
                step.execute(attempt("ingest"))
            except Exception as error:
                failure.append(error)

        thread = threading.Thread(target=target)
        thread.start()
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.01)
        step.on_kill()
        thread.join(10)
    assert "exited with -15" in str(failure[0]) or "exited with 143" in str(failure[0])
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_killed_worker_takes_its_process_along(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("READMISSION_TEST", "sleep")
    with configured(runtime="local", command=str(program)) as operator:
        if (worker := os.fork()) == 0:
            try:
                operator.Step(task_id="ingest").execute(attempt("ingest"))
            finally:
                os._exit(1)
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        time.sleep(0.01)
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
    deadline = time.monotonic() + 5
    state = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/stat")
    while state.exists() and state.read_text().rsplit(")")[-1].split()[0] != "Z":
        assert time.monotonic() < deadline, "the step outlived its worker"
        time.sleep(0.05)

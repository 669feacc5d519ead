"""`readmission up` where the system runs already, and where no new data can be had."""

import sys
from pathlib import Path

import pytest

from readmission.embedded import main_job, options, status, up
from readmission.embedded.sample import location
from readmission.embedded.step_processes import StepProcesses
from readmission.errors import UserError
from readmission.settings import Settings
from tests.conftest import make_settings


class FakeSupervisor:
    """A supervisor that is as the test says."""

    def __init__(self, running: bool) -> None:
        self._running = running

    def running(self) -> bool:
        return self._running

    def started_at(self) -> str:
        return "08:15 on 27 November"

    def states(self) -> dict[str, tuple[str, int | None]]:
        return {}


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Settings]:
    """Record every stop of the system; no step and no part is real."""
    stopped: list[Settings] = []
    monkeypatch.setattr(up, "stop", stopped.append)
    monkeypatch.setattr(up, "with_secrets", lambda settings: settings)
    monkeypatch.setattr(up, "start_parts", lambda *_, **__: None)
    monkeypatch.setattr(StepProcesses, "prepare", lambda *_: None)
    monkeypatch.setattr(up, "choose_source", lambda *_, **__: "")
    monkeypatch.setattr(up, "wait_for", lambda *_, **__: None)
    monkeypatch.setattr(up, "wait_for_part", lambda *_: None)
    monkeypatch.setattr(up, "parts", lambda _: [])
    monkeypatch.setattr(status, "collect", lambda _: {"ready": True})
    monkeypatch.setattr(status, "render", lambda _: "fine")
    return stopped


@pytest.mark.parametrize("error", [UserError("no network"), KeyboardInterrupt()], ids=["failure", "Ctrl-C"])
@pytest.mark.parametrize("running", [True, False])
def test_only_what_this_command_started_is_stopped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stops: list[Settings], error: BaseException, running: bool
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(up, "Supervisor", lambda _: FakeSupervisor(running))
    monkeypatch.setattr(main_job, "run", fail)
    with pytest.raises(type(error)):
        up.run(make_settings(tmp_path))
    assert bool(stops) != running


def test_running_system_is_named_and_left_running(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stops: list[Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(up, "Supervisor", lambda _: FakeSupervisor(True))
    monkeypatch.setattr(main_job, "run", lambda *_: None)
    up.run(make_settings(tmp_path))
    text = capsys.readouterr().out
    for expected in ("already running", "08:15", "readmission status", "readmission down"):
        assert expected in text
    assert stops == []


def test_a_shell_that_does_not_find_the_verbs_is_told_where_they_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stops: list[Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(up, "Supervisor", lambda _: FakeSupervisor(True))
    monkeypatch.setattr(main_job, "run", lambda *_: None)
    (tmp_path / "activate").touch()
    (tmp_path / "readmission").touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", "/nowhere")
    up.run(make_settings(tmp_path))
    assert f"`source {tmp_path / 'activate'}` once in each shell." in capsys.readouterr().out
    monkeypatch.setenv("PATH", str(tmp_path))
    up.run(make_settings(tmp_path))
    assert "once in each shell" not in capsys.readouterr().out


def test_options_of_a_start_that_succeeds_are_remembered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stops: list[Settings]
) -> None:
    done: list[tuple[Settings, bool]] = []
    monkeypatch.setattr(up, "Supervisor", lambda _: FakeSupervisor(True))
    monkeypatch.setattr(main_job, "run", lambda settings, source, asked, _: done.append((settings, asked)))
    data = tmp_path / "data.csv"
    data.touch()
    first = make_settings(tmp_path, source=str(data))
    up.run(first, with_monitoring=True)
    remembered = options.recall(first.home)
    assert remembered == {"READMISSION_SOURCE": str(data), "READMISSION_MONITORING": "true"}
    up.run(make_settings(tmp_path, source=str(data), monitoring=True))
    assert done[-1][0].monitoring.enabled and done[-1][0].source == str(data)
    assert [asked for _, asked in done] == [True, False], "the second time, an earlier command had asked for it"
    up.run(make_settings(tmp_path, source=str(data), monitoring=True), with_monitoring=False, sample=True)
    assert options.recall(first.home) == {"READMISSION_SOURCE": location(first)}
    up.run(make_settings(tmp_path, source=location(first)), sample=False)
    assert options.recall(first.home) == {}


def test_source_of_a_start_that_fails_is_not_remembered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stops: list[Settings]
) -> None:
    def fail(*_: object) -> None:
        raise UserError("no such file")

    monkeypatch.setattr(up, "Supervisor", lambda _: FakeSupervisor(True))
    monkeypatch.setattr(main_job, "run", fail)
    with pytest.raises(UserError):
        up.run(make_settings(tmp_path, source="/absent.csv"))
    assert options.recall(make_settings(tmp_path).home) == {}

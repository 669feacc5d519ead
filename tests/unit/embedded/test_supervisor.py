"""A real supervisord with harmless parts."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from readmission.embedded.component import Part
from readmission.embedded.supervisor import Supervisor
from readmission.polling import wait_until
from tests.conftest import make_settings


def part(name: str, *command: str, **environment: str) -> Part:
    return Part(
        name=name,
        command=list(command),
        url="",
        host="127.0.0.1",
        port=0,
        port_setting="",
        healthy=lambda: True,
        environment=environment,
    )


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    it = Supervisor(make_settings(tmp_path))
    yield it
    it.shutdown()


def test_parts_start_stop_and_join_a_running_supervisor(supervisor: Supervisor) -> None:
    assert not supervisor.running()
    assert supervisor.states() == {}
    first = part("first", "sleep", "60")
    supervisor.launch([first])
    assert supervisor.states() == {"first": ("STOPPED", None)}
    supervisor.start("first")
    wait_until(lambda: supervisor.states()["first"][0] == "RUNNING", seconds=20, failure="first does not run")
    pid = supervisor.states()["first"][1]
    supervisor.add([first, part("second", "sleep", "60")])
    assert supervisor.states() == {"first": ("RUNNING", pid), "second": ("STOPPED", None)}
    supervisor.stop("first")
    assert supervisor.states()["first"] == ("STOPPED", None)
    supervisor.shutdown()
    assert not supervisor.running()


def test_a_part_gets_its_arguments_and_environment_unchanged(supervisor: Supervisor) -> None:
    program = 'import os, sys; print([sys.argv[1], os.environ["SHARE"]], flush=True); sys.stdin.read()'
    supervisor.launch([part("echo", sys.executable, "-c", program, 'a "b" \\ 5%', SHARE="10%")])
    supervisor.start("echo")
    log = supervisor.log_of("echo")
    expected = repr(['a "b" \\ 5%', "10%"])
    wait_until(lambda: log.exists() and expected in log.read_text(), seconds=20, failure="the part printed nothing")


def succeed(old: Supervisor, new: Supervisor) -> None:
    """Start a part under a new supervisor while that of the old one runs; end the old one."""
    new.launch([part("first", "sleep", "60")])
    new.start("first")
    wait_until(lambda: new.states()["first"][0] == "RUNNING", seconds=20, failure="first does not run")
    assert old.running() and old.states()["first"] != new.states()["first"]
    old.shutdown()
    new.take_place()


def test_a_second_supervisor_takes_the_place_of_the_first(supervisor: Supervisor, tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    supervisor.launch([part("first", "sleep", "60")])
    for suffix in ("-1", "-2"):  # also of one that took the place of another
        new = Supervisor(settings, suffix)
        succeed(Supervisor(settings), new)
        assert supervisor.states() == new.states() and supervisor.started_at() != "unknown"
        supervisor.add([part("first", "sleep", "60"), part(f"second{suffix}", "sleep", "60")])
        assert f"second{suffix}" in supervisor.states()
    supervisor.shutdown()
    assert not supervisor.running() and not list(tmp_path.rglob("supervisord.pid*"))

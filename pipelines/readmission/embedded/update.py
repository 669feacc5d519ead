"""`readmission update`: put this code in the place of a running system's, which answers predictions throughout."""

import contextlib
import dataclasses
import fcntl
import json
import os
import time
from collections.abc import Iterator

import psutil
import typer

from readmission.embedded import status
from readmission.embedded.component import Part
from readmission.embedded.components import parts, refuse_busy_ports, refuse_open_doors
from readmission.embedded.supervisor import Supervisor
from readmission.embedded.up import start_parts, with_secrets
from readmission.embedded.waiting import wait_for, wait_for_part
from readmission.errors import UserError
from readmission.polling import wait_until
from readmission.settings import Settings
from readmission.steps import migrate

#: Lock of the API's sidecar (`serving.sidecar`), below the state folder.
SIDECAR_LOCK = "sidecar.lock"
#: Parts that run only if they were asked for, by the name of their setting.
_OPTIONAL = {"airflow": "airflow", "monitoring": "exporter", "notebook": "notebook"}


def run(settings: Settings) -> None:
    """Put this code in the place of a running system's, which answers predictions throughout.

    The new API takes over the port of the old one once it serves the same champion; then the other parts follow. If
    anything fails before that, the old system runs on as it was.

    Raises:
        UserError: No system runs, or this code cannot take its place. The message says why.
    """
    began = time.monotonic()
    settings = with_secrets(settings)
    old = Supervisor(settings)
    states = old.states()
    api = states.get("api", ("", None))[1]
    if api is None:
        raise UserError("No system is running here that could be updated. `readmission up` starts it.")
    settings = settings.replace(**{name: True for name, part in _OPTIONAL.items() if part in states})
    new = Supervisor(settings, f"-{os.getpid()}")
    with without_sidecar(settings, api):
        try:
            take_over(settings, old, new, api)
        except BaseException:
            new.shutdown()
            typer.echo("The system runs on as it was.", err=True)
            raise
        typer.echo(f"The new API answers after {time.monotonic() - began:.1f} s; the other parts follow.")
        old.shutdown()
        new.take_place()
    start_parts(settings, new)
    for part in parts(settings):
        wait_for_part(new, part)
    wait_for("a prediction", lambda: status.collect(settings)["ready"], new, "api", seconds=60)
    typer.echo(status.render(status.collect(settings)))
    typer.echo(f"Updated in {time.monotonic() - began:.1f} s.{status.way_to_the_verbs()}")


def take_over(settings: Settings, old: Supervisor, new: Supervisor, api: int) -> None:
    """Migrate the running database and start the new API beside the old one, until it serves.

    Args:
        settings: Of the system.
        old: Supervisor of the running parts.
        new: Supervisor that is to keep the new parts.
        api: Process of the old API.
    """
    refuse_open_doors(settings)
    listed, states = parts(settings), old.states()
    refuse_busy_ports([part for part in listed if part.name not in states])
    old.start("postgres")
    wait_for_part(old, listed[0])
    migrate.run(settings)  # migrations only add: the old code runs on with the new tables
    new.launch([succeeding(part, api) if part.name == "api" else part for part in listed])
    new.start("api")
    wait_for("the new API", lambda: serves(settings, new.states()["api"][1]), new, "api", seconds=180)


def succeeding(part: Part, pid: int) -> Part:
    """Return the API as a part that takes over from a running one."""
    return dataclasses.replace(part, command=[*part.command, "--take-over", str(pid)])


def serves(settings: Settings, api: int | None) -> bool:
    """Return whether every worker of an API serves its champion.

    Args:
        settings: Of the system.
        api: Process of the API; None if it has not started yet.

    Raises:
        UserError: A worker cannot serve it. The message says why.
    """
    ready = 0
    for path in (settings.home / "models" / settings.mlflow.model_name / "workers").glob("*.json"):
        with contextlib.suppress(OSError, ValueError, psutil.NoSuchProcess):
            worker = json.loads(path.read_bytes())
            if psutil.Process(worker["pid"]).ppid() != api:
                continue
            if worker["error"]:
                raise UserError(f"This code does not serve the model of the running system: {worker['error']}.")
            ready += bool(worker["champion"])
    return ready >= settings.api.workers


@contextlib.contextmanager
def without_sidecar(settings: Settings, api: int) -> Iterator[None]:
    """Keep sidecars from running: that of the old code must not store what the new code writes.

    Predictions wait in the spool meanwhile. If this process is killed, whichever API runs starts a sidecar.
    """
    with (settings.home / SIDECAR_LOCK).open("ab") as file:

        def locked() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _kill_sidecars(api)
                return False
            return True

        # A worker starts another one, but only after a while.
        wait_until(locked, seconds=20, every=0.02, failure="The sidecar of the running API could not be stopped.")
        yield


def _kill_sidecars(api: int) -> None:
    for process in psutil.Process(api).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "serving.sidecar" in process.cmdline():
                process.kill()

"""Embedded system around a backup or restore: whether there is one, whether it runs, its database alone."""

import contextlib
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from readmission.errors import UserError
from readmission.polling import wait_until
from readmission.settings import Settings


def is_embedded(settings: Settings) -> bool:
    """Tell whether the databases are those of an embedded system: its home folder has secrets, or nobody set any."""
    return (settings.home / "secrets.env").is_file() or settings.postgres.password_admin is None


def refuse_running(settings: Settings) -> None:
    """Refuse while the embedded system runs.

    Raises:
        UserError: It runs.
    """
    if not is_embedded(settings):
        return
    from readmission.embedded.supervisor import Supervisor  # absent from the image of the steps

    if Supervisor(settings).running():
        raise UserError(f"The system in {settings.home} is running: stop it with `readmission down`, then restore.")


@contextlib.contextmanager
def running_database(settings: Settings) -> Iterator[None]:
    """Have a database server: the one that runs, or the embedded one for as long as this takes.

    Raises:
        UserError: The embedded server does not start; names its log.
    """
    if not is_embedded(settings):
        yield
        return
    from readmission.embedded import pgserver

    accepts = pgserver.accepts(settings)
    if accepts():
        yield
        return
    pgserver.initialise(settings)
    logs: Path = settings.home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / "postgres.log").open("ab") as log:
        process = subprocess.Popen(pgserver.command(settings), cwd="/", stdout=log, stderr=log, start_new_session=True)
        try:
            failure = f"The embedded PostgreSQL does not start: see {logs / 'postgres.log'}."
            wait_until(lambda: accepts() or process.poll() is not None, seconds=120, failure=failure)
            if process.poll() is not None:
                raise UserError(failure)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(120)


@contextlib.contextmanager
def scratch_folder(settings: Settings) -> Iterator[Path]:
    """Give an empty folder for dumps in the making, and delete it: also one that a killed run left, with its rows.

    Only for whoever holds the lock of `databases.administer`.
    """
    folder = settings.home / "backup-scratch"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)

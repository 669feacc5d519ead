"""The server of the API, configured by the settings: `python -m serving.server`; SIGTERM or SIGINT drain it."""

import contextlib
import os
import resource
import shutil
import socket
import sys
from hashlib import sha256
from pathlib import Path

from readmission.errors import UserError
from readmission.logs import JsonFormatter
from readmission.settings import load_settings
from serving.sidecar import launch

#: Seconds that an idle connection stays open: longer than ingresses and clients keep theirs (usually 60), or they
#: would send into one that is just being closed.
KEEP_ALIVE = 75
#: Seconds that the end waits for the database to take the last predictions.
CARRY = 15.0
#: Open files of a worker, where the system allows them.
FILES = 65_536
#: File system in memory, where there is one.
MEMORY = Path("/dev/shm")  # noqa: S108 - the folder below it is checked to be this user's own


def metrics_folder(home: Path, port: int, memory: Path = MEMORY) -> Path:
    """Return the folder of the workers' metric files: in memory if possible, otherwise on the disk of the state.

    The files are mapped into memory. On a full disk, touching a new page of one ends the process (SIGBUS).

    Args:
        home: Folder of the state. Servers with another home or port have another folder.
        port: Port of the API.
        memory: File system in memory.
    """
    name = sha256(f"{home.resolve()}:{port}".encode()).hexdigest()[:16]
    folder = memory / f"readmission-{os.getuid()}-{name}"
    # Everybody may write there: a folder that another user has put in the way is not used.
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if folder.is_dir() and not folder.is_symlink() and status.st_uid == os.getuid() and not status.st_mode & 0o077:
            return folder
    return home / "bentoml" / "prometheus_multiproc_dir"


def refuse_busy_port(host: str, port: int) -> None:
    """End with a sentence if the port cannot be opened; BentoML would end with a traceback."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        sys.exit(
            f"READMISSION_API_PORT: port {port} on {host} cannot be opened ({error.strerror}). Stop the program that "
            "uses it, or choose another port."
        )


def main() -> None:
    """Run BentoML's server in this process with the host, port, workers, TLS and drain of the settings."""
    try:
        settings = load_settings()
    except UserError as error:
        sys.exit(str(error))
    # A connection is an open file, and many systems allow 1,024 by default.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limit = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    if bool(settings.api.certificate) != bool(settings.api.certificate_key):
        sys.exit("READMISSION_API_CERTIFICATE and READMISSION_API_CERTIFICATE_KEY belong together: set both or neither")
    refuse_busy_port(settings.api.host, settings.api.port)
    # What the API stores is about patients: no other user of this machine may read it.
    os.umask(0o077)
    os.environ.setdefault("BENTOML_HOME", str(settings.home / "bentoml"))
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    os.environ.update(READMISSION_HOME=str(settings.home))
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.log import SERVER_LOGGING_CONFIG
    from bentoml_cli.cli import cli

    metric_files = metrics_folder(settings.home, settings.api.port)
    # BentoML empties the folder at the start.
    BentoMLContainer.prometheus_multiproc_dir.set(str(metric_files))
    if settings.log_format == "json":
        # Log lines of the process that watches the workers; BentoML has no setting for their format.
        SERVER_LOGGING_CONFIG["formatters"]["traced"] = {"()": JsonFormatter}
    arguments = ["serve", "serving.service:Readmission", "--host", settings.api.host]
    arguments += ["--port", str(settings.api.port)]
    arguments += ["--timeout-keep-alive", str(KEEP_ALIVE)]
    arguments += ["--timeout-graceful-shutdown", str(max(1, round(settings.api.drain)))]
    if settings.api.certificate and settings.api.certificate_key:
        arguments += ["--ssl-certfile", str(settings.api.certificate)]
        arguments += ["--ssl-keyfile", str(settings.api.certificate_key)]
    try:
        cli(arguments)
    finally:
        launch.finish(settings.home, CARRY)
        shutil.rmtree(metric_files, ignore_errors=True)


if __name__ == "__main__":
    main()

"""The server of the API, configured by the settings: `python -m serving.server`; SIGTERM or SIGINT drain it.

`--take-over PID` accepts requests beside the server of that process, which may then end.
"""

import argparse
import contextlib
import os
import resource
import shutil
import socket
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from readmission.errors import UserError
from readmission.logs import JsonFormatter
from readmission.settings import Settings, load_settings
from serving import handover
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

    The files are mapped into memory. On a full disk, touching a new page of one ends the process (SIGBUS). Folders of
    servers that were killed are deleted.

    Args:
        home: Folder of the state. Servers with another home or port have another folder.
        port: Port of the API. A server that takes over the port of another has a folder of its own, too.
        memory: File system in memory.
    """
    name = sha256(f"{home.resolve()}:{port}".encode()).hexdigest()[:16]
    stem = f"readmission-{os.getuid()}-{name}-"
    for other in memory.glob(f"{stem}*"):
        if not Path(f"/proc/{other.name.removeprefix(stem)}").exists():
            shutil.rmtree(other, ignore_errors=True)
    folder = memory / f"{stem}{os.getpid()}"
    # Everybody may write there: a folder that another user has put in the way is not used.
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if folder.is_dir() and not folder.is_symlink() and status.st_uid == os.getuid() and not status.st_mode & 0o077:
            return folder
    return home / "bentoml" / f"metrics-{os.getpid()}"


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


def listener_of(pid: int, port: int) -> socket.socket | None:
    """Return the socket of the server in whose place this one is started; None if that one has ended."""
    if not pid or not Path(f"/proc/{pid}").exists():
        return None
    try:
        return handover.take(pid, port)
    except OSError as error:
        sys.exit(f"The API of process {pid} cannot hand port {port} over: {error.strerror or error}.")


def allow_files() -> None:
    """Raise the limit of open files: a connection is one, and many systems allow 1,024 by default."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limit = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def command_of(settings: Settings) -> list[str]:
    """Return the command line of BentoML's server: host, port, TLS and drain of the settings."""
    command = ["serve", "serving.service:Readmission", "--host", settings.api.host]
    command += ["--port", str(settings.api.port)]
    command += ["--timeout-keep-alive", str(KEEP_ALIVE)]
    command += ["--timeout-graceful-shutdown", str(max(1, round(settings.api.drain)))]
    if settings.api.certificate and settings.api.certificate_key:
        command += ["--ssl-certfile", str(settings.api.certificate)]
        command += ["--ssl-keyfile", str(settings.api.certificate_key)]
    return command


def main(arguments: Sequence[str] | None = None) -> None:
    """Run BentoML's server in this process with the host, port, workers, TLS and drain of the settings.

    Args:
        arguments: Of the command line, if not those of this process.
    """
    parser = argparse.ArgumentParser(prog="serving.server", description=__doc__)
    parser.add_argument("--take-over", type=int, default=0, metavar="PID", help="process of the server to succeed")
    predecessor = parser.parse_args(arguments).take_over
    try:
        settings = load_settings()
    except UserError as error:
        sys.exit(str(error))
    allow_files()
    if bool(settings.api.certificate) != bool(settings.api.certificate_key):
        sys.exit("READMISSION_API_CERTIFICATE and READMISSION_API_CERTIFICATE_KEY belong together: set both or neither")
    taken = listener_of(predecessor, settings.api.port)
    if taken is None:
        refuse_busy_port(settings.api.host, settings.api.port)
    # What the API stores is about patients: no other user of this machine may read it.
    os.umask(0o077)
    os.environ.setdefault("BENTOML_HOME", str(settings.home / "bentoml"))
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    os.environ.update({"READMISSION_HOME": str(settings.home), handover.PREDECESSOR: str(predecessor) if taken else ""})
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.log import SERVER_LOGGING_CONFIG
    from bentoml_cli.cli import cli

    metric_files = metrics_folder(settings.home, settings.api.port)
    # BentoML empties the folder at the start.
    BentoMLContainer.prometheus_multiproc_dir.set(str(metric_files))
    if settings.log_format == "json":
        # Log lines of the process that watches the workers; BentoML has no setting for their format.
        SERVER_LOGGING_CONFIG["formatters"]["traced"] = {"()": JsonFormatter}
    handover.share(settings.api.port, taken)
    try:
        cli(command_of(settings))
    finally:
        launch.finish(settings.home, CARRY)
        shutil.rmtree(metric_files, ignore_errors=True)


if __name__ == "__main__":
    main()

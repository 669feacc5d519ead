"""What every worker of this replica serves: one file per worker, which any of them may read."""

import logging
import os
from pathlib import Path

import msgspec

from readmission.files import write_atomic

log = logging.getLogger(__name__)


class WorkerStatus(msgspec.Struct, frozen=True):
    """Contents of one worker's file.

    Attributes:
        pid: Process of the worker.
        champion: Version that it serves; empty if none.
        challenger: Version that it serves beside it; empty if none.
        error: Why a version is not served that should be; empty if all are.
    """

    pid: int
    champion: str
    challenger: str
    error: str


def write_status(folder: Path, status: WorkerStatus) -> None:
    """Replace this worker's file."""
    try:
        write_atomic(_path(folder), msgspec.json.encode(status))
    except OSError as error:  # a full disk must not keep a worker from serving
        log.error("the worker's status cannot be written: %s", error.strerror)


def delete_status(folder: Path) -> None:
    """Delete this worker's file, if there is one."""
    _path(folder).unlink(missing_ok=True)


def read_statuses(folder: Path) -> list[WorkerStatus]:
    """Return what every worker serves."""
    statuses = []
    for path in sorted(folder.glob("*.json")):
        try:
            statuses.append(msgspec.json.decode(path.read_bytes(), type=WorkerStatus))
        except (FileNotFoundError, msgspec.DecodeError):
            continue
    return statuses


def _path(folder: Path) -> Path:
    return folder / f"{os.getpid()}.json"

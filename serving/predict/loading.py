"""Attempts to load a model version, so that a version that ends the process is not loaded for ever.

An attempt is a locked file. The system releases the lock of a process that ends in any way, so a file that can be
locked is an attempt that its process did not survive: the model needs more memory than there is, or breaks the
C library that scores it.
"""

import contextlib
import fcntl
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

#: Deaths after which a version is left alone (one may have had another cause), and for how many seconds each counts.
MOST_DEATHS, MEMORY_SECONDS = 2, 3600.0


@contextlib.contextmanager
def attempt(folder: Path, version: str) -> Iterator[None]:
    """Mark a version as being loaded by this process.

    Args:
        folder: Folder of the marks; it exists.
        version: Version in the registry.
    """
    path = folder / f"{version}.{uuid.uuid4().hex}.loading"
    with contextlib.ExitStack() as stack:
        # A full disk must not keep a worker from serving.
        with contextlib.suppress(OSError):
            mark = stack.enter_context(path.open("xb"))
            fcntl.flock(mark, fcntl.LOCK_EX)
            stack.callback(path.unlink, missing_ok=True)
        yield


def deaths(folder: Path, version: str) -> int:
    """Return how many processes ended while they loaded a version, within the last hour."""
    count = 0
    for path in folder.glob(f"{version}.*.loading"):
        with contextlib.suppress(FileNotFoundError), path.open("rb") as mark:
            if time.time() - os.fstat(mark.fileno()).st_mtime > MEMORY_SECONDS:
                path.unlink()
                continue
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
                count += 1
    return count

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
from collections.abc import Iterator, Sequence
from pathlib import Path

from readmission import scorer
from readmission.pseudonyms import PatientKey
from readmission.scorer import Scorer
from readmission.scorer.custody import check_folder
from readmission.scorer.manifest import read_golden
from readmission.signatures import Trust

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


def load_checked(folder: Path, keys: Sequence[PatientKey] | None, trust: Trust) -> Scorer:
    """Load a version that is signed by whom it must be, is whole, and answers its golden rows.

    Args:
        folder: Folder of the version.
        keys: Keys that its visits may be keyed with.
        trust: Whose signatures count.

    Raises:
        ArtifactError: It is not to be served.
    """
    check_folder(folder, trust)
    fresh = scorer.load(folder, keys)
    # The golden rows also warm the scorer up.
    scorer.check_golden(fresh, read_golden(folder))
    return fresh


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

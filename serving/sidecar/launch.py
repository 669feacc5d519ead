"""Start of the sidecar, apart from it, so that workers import neither its database driver nor its HTTP client."""

import contextlib
import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from serving.prediction_log.segments import SUFFIX

LOCK = "sidecar.lock"


def end_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends, even if it is killed: no orphan keeps the port.

    On systems other than Linux nothing happens.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def lock(home: Path) -> IO[bytes] | None:
    """Take the lock of the sidecar; return None if another process has it."""
    file = (home / LOCK).open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def ensure(home: Path) -> "subprocess.Popen[bytes] | None":
    """Start the sidecar unless it is running; return the new process, or None."""
    held = lock(home)
    if held is None:
        return None
    held.close()
    return subprocess.Popen([sys.executable, "-m", "serving.sidecar", str(os.getpid())])


def finish(home: Path, seconds: float) -> None:
    """Wait, after the workers have ended, until the sidecar has stored what they left.

    In a container the end of the first process ends all others, and the spool may go with it.

    Args:
        home: Folder of the state.
        seconds: How long to wait at most, as when the database is away.
    """
    # Not `polling.wait_until`: its library is not in the image of the API.
    deadline = time.monotonic() + seconds
    while (held := lock(home)) is None:
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)
    held.close()
    if any((home / "spool").glob(f"*{SUFFIX}")):
        # The worker that the sidecar belonged to was not the last one: once more, for the segments of the others.
        with contextlib.suppress(subprocess.TimeoutExpired):
            command = [sys.executable, "-m", "serving.sidecar", "0"]
            subprocess.run(command, timeout=max(1.0, deadline - time.monotonic()), check=False)

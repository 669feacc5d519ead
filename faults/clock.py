"""Clock of a process that is moved while it runs: a small library that is preloaded (Linux, needs a C compiler)."""

import shutil
import struct
import subprocess
from pathlib import Path

from faults.observation import SkippedError


class Clock:
    """Clock of every process that is started with its environment. Only the time of day moves, no waiting time.

    Args:
        folder: Folder for the library and the shift.

    Raises:
        SkippedError: There is no C compiler.
    """

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise SkippedError("no C compiler, with which the clock of a process is moved")
        self._shift, library = folder / "clock-shift", folder / "clock.so"
        source = Path(__file__).with_name("clock.c")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source)], check=True)
        self._shift.write_bytes(bytes(8))
        self.environment = {"LD_PRELOAD": str(library), "FAULT_CLOCK": str(self._shift)}

    def move(self, seconds: int) -> None:
        """Set by how much the clock is ahead of the machine's; negative is behind."""
        with self._shift.open("r+b") as file:
            file.write(struct.pack("l", seconds))

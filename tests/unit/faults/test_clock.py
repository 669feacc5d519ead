"""Clock of a process, moved while it runs."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from faults.clock import Clock
from faults.observation import SkippedError

_PROGRAM = """
import sys, time
for line in sys.stdin:
    print(time.time(), time.monotonic(), flush=True)
"""


def test_the_time_of_day_moves_and_waiting_times_do_not(tmp_path: Path) -> None:
    try:
        clock = Clock(tmp_path)
    except SkippedError as reason:
        pytest.skip(str(reason))
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        env=os.environ | clock.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def read() -> tuple[float, float]:
            assert process.stdin and process.stdout
            process.stdin.write("\n")
            process.stdin.flush()
            day, waiting = process.stdout.readline().split()
            return float(day) - time.time(), float(waiting) - time.monotonic()

        for shift in (0, 86_400, -3_600):
            clock.move(shift)
            day, waiting = read()
            assert abs(day - shift) < 5
            assert abs(waiting) < 5
        assert process.stdin
        process.stdin.close()


def test_without_a_compiler_the_fault_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SkippedError, match="C compiler"):
        Clock(tmp_path)

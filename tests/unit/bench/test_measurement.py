"""The clock of the benchmarks."""

import subprocess
import sys
from pathlib import Path

from bench.measurement import Measurement, combine, measure

ROOT = Path(__file__).parents[3]
#: Holds 64 MB for a second, and uses some CPU time.
WORK = "import time; block = bytearray(64_000_000); sum(range(2_000_000)); time.sleep(1)"


def test_a_child_process_is_measured() -> None:
    with measure(every=0.05) as measurement:
        subprocess.run([sys.executable, "-c", WORK], check=True)
    assert 1 <= measurement.seconds < 60
    assert 0 < measurement.cpu_seconds < measurement.seconds
    assert measurement.work_bytes > 64e6
    assert measurement.server_bytes == 0


def test_a_server_counts_apart_from_the_work() -> None:
    # In a process of its own: this one may have children of other tests, which would count as work.
    code = (
        "import subprocess, sys\n"
        "from bench.measurement import measure\n"
        f"server = subprocess.Popen([sys.executable, '-c', {WORK!r}])\n"
        "with measure([server.pid], every=0.05) as measurement:\n"
        "    server.wait()\n"
        "print(measurement.server_bytes > 64e6, measurement.work_bytes)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.split() == ["True", "0"]


def test_consecutive_measurements_sum_times_and_keep_peaks() -> None:
    first = Measurement(seconds=1.0, cpu_seconds=0.5, work_bytes=30, server_bytes=1, total_bytes=31)
    second = Measurement(seconds=2.0, cpu_seconds=1.5, work_bytes=10, server_bytes=5, total_bytes=15)
    whole = Measurement(seconds=3.0, cpu_seconds=2.0, work_bytes=30, server_bytes=5, total_bytes=31)
    assert combine([first, second]) == whole

"""The clock of the benchmarks."""

import subprocess
import sys

from bench.measurement import Measurement, combine, measure

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
    server = subprocess.Popen([sys.executable, "-c", WORK])
    with measure([server.pid], every=0.05) as measurement:
        server.wait()
    assert measurement.server_bytes > 64e6
    assert measurement.work_bytes == 0


def test_consecutive_measurements_sum_times_and_keep_peaks() -> None:
    first = Measurement(seconds=1.0, cpu_seconds=0.5, work_bytes=30, server_bytes=1, total_bytes=31)
    second = Measurement(seconds=2.0, cpu_seconds=1.5, work_bytes=10, server_bytes=5, total_bytes=15)
    whole = Measurement(seconds=3.0, cpu_seconds=2.0, work_bytes=30, server_bytes=5, total_bytes=31)
    assert combine([first, second]) == whole

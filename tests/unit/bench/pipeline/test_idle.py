"""What parts take while nobody uses them."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bench.pipeline import idle
from readmission.embedded.supervisor import Supervisor
from readmission.errors import UserError
from tests.conftest import make_settings


def test_a_busy_part_shows_and_an_ended_one_counts_nothing() -> None:
    code = "block = bytearray(64_000_000)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code]) as busy, subprocess.Popen([sys.executable, "-c", ""]) as ended:
        processes = {"busy": [psutil.Process(busy.pid)], "ended": [psutil.Process(ended.pid)]}
        ended.wait()
        try:
            usages = {usage.part: usage for usage in idle.watch(processes, seconds=1.0)}
        finally:
            busy.kill()
    assert 0 < usages["busy"].cpu < 1.5
    assert usages["busy"].memory > 64e6
    assert (usages["ended"].cpu, usages["ended"].memory) == (0.0, 0)


def test_without_a_running_system_there_is_nothing_to_watch(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No system is running"):
        idle.families(Supervisor(make_settings(tmp_path)))

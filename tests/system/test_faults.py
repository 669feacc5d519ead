"""A few faults, injected as `make faults` injects them: nothing is lost, and the table says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.timeout(900),
    # Written on a machine too busy to run it to its end: the skip goes once it was seen to pass.
    pytest.mark.skipif("TEST_FAULTS" not in os.environ, reason="not seen to pass yet; TEST_FAULTS=1 runs it"),
]


def test_quick_faults_lose_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "faults", "--quick"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-5000:]
    assert "| sidecar killed between insert and truncation | 0 of " in done.stdout
    assert "skipped: nothing was lost." in done.stdout

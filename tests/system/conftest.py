"""One embedded system with monitoring, on the synthetic sample, for the tests of this folder; test_up.py ends it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import free_port

PARTS = {"postgres", "mlflow", "api", "ui", "exporter"}
_NAMES = ("POSTGRES", "MLFLOW", "API", "UI", "FEED", "EXPORTER", "PROMETHEUS", "BOARD")


class System:
    """One embedded system with a state folder and ports of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ports = {name.lower(): free_port() for name in _NAMES}
        self.environment = os.environ | {"READMISSION_HOME": str(home)}
        self.environment |= {f"READMISSION_{name}_PORT": str(self.ports[name.lower()]) for name in _NAMES}
        self.api = f"http://127.0.0.1:{self.ports['api']}"

    def run(self, *arguments: str, timeout: float = 280) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "readmission.cli", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def status(self) -> dict:
        return json.loads(self.run("status", "--json").stdout)

    def processes(self) -> list[psutil.Process]:
        """Every process that was started with this state folder."""
        running = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("READMISSION_HOME") == str(self.home):
                    running.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return running


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    it = System(tmp_path_factory.mktemp("system") / "state")
    it.environment["READMISSION_BATCH_SIZE"] = "3000"
    try:
        started = it.run("up", "--detach", "--sample", "--monitoring", timeout=560)
        assert started.returncode == 0, started.stderr[-3000:]
        yield it
    finally:
        it.run("down")

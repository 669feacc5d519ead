"""API process that faults start, disturb and kill."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil

from readmission.backup.drill_system import RECORDS, free_port
from readmission.errors import UserError
from readmission.polling import wait_until


class Api:
    """One API with a state folder and a port of its own.

    Args:
        home: State folder.
        environment: Environment of its processes, without home and port.
    """

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.home, self.port = home, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = environment | {"READMISSION_HOME": str(home), "READMISSION_API_PORT": str(self.port)}
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self) -> "subprocess.Popen[bytes]":
        """Start another process of this API, and do not wait for it."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home.parent / f"{self.home.name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "serving.server"],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start(self) -> None:
        """Start it, and wait until every worker serves a model."""
        self.process = self.launch()
        wait_until(self.ready, seconds=180, every=0.1, failure=f"the API of {self.home} is not ready after 180 s")

    def running(self) -> bool:
        """Return whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def ready(self) -> bool:
        """Return whether as many workers as were asked for serve a model."""
        if not self.running():
            raise UserError(f"the API ended at its start; see {self.home}.log")
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200:
                return len(self.workers()) >= int(self.environment.get("READMISSION_API_WORKERS", "1"))
        return False

    def info(self) -> dict[str, Any]:
        """Return /model-info."""
        answer: dict[str, Any] = httpx.get(f"{self.url}/model-info", timeout=10).json()
        return answer

    def workers(self) -> dict[int, str]:
        """Return the version that each living worker serves, by process."""
        return {
            worker["pid"]: str(worker["champion"])
            for worker in self.info()["workers"]
            if psutil.pid_exists(worker["pid"])
        }

    def wait_for_version(self, version: str, seconds: float = 60) -> None:
        """Wait until every worker serves a version."""

        def serves() -> bool:
            with contextlib.suppress(httpx.HTTPError):
                return self.ready() and set(self.workers().values()) == {version}
            return False

        wait_until(
            serves, seconds=seconds, every=0.05, failure=f"version {version} is not served after {seconds:.0f} s"
        )

    def answers(self) -> dict[tuple[int, str], str]:
        """Ask for every record; return the probabilities by record and version."""
        answers = {}
        with httpx.Client(base_url=self.url, timeout=30) as http:
            for number, record in enumerate(RECORDS):
                answer = http.post("/predict", json=record).json()
                answers[number, str(answer["model_version"])] = json.dumps(answer["probabilities"])
        return answers

    def sidecar(self) -> int:
        """Return the process of the sidecar; 0 while it is just starting."""
        return int((self.home / "sidecar.pid").read_text() or 0)

    def stop(self) -> None:
        """Ask it to end, and wait."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """Kill every process of it at once, as a power cut does."""
        if self.process is None:
            return
        with contextlib.suppress(psutil.Error):
            # The first process and its workers rename themselves, so that only their descent tells whose they are.
            first = psutil.Process(self.process.pid)
            for process in [first, *first.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    process.kill()
        self.process.wait(30)


def kill(pid: int) -> None:
    """Kill a process."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)

"""Embedded system that a drill starts, asks and destroys."""

import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from readmission import contract
from readmission.errors import UserError
from readmission.settings import Settings, load_settings

_PORTS = ("POSTGRES", "MLFLOW", "API", "UI", "FEED", "EXPORTER", "PROMETHEUS", "BOARD", "AIRFLOW")
#: Requests whose answers are compared before and after.
RECORDS = [
    dict(contract.EXAMPLE) | {"number_inpatient": n % 8, "time_in_hospital": 1 + n % 14, "num_medications": 1 + 3 * n}
    for n in range(25)
]


@dataclass(kw_only=True)
class System:
    """One embedded system in a folder and on ports of its own."""

    home: Path
    source: str
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ports = {f"READMISSION_{name}_PORT": str(free_port()) for name in _PORTS}
        outside = {name: value for name, value in os.environ.items() if not name.startswith("READMISSION_")}
        self.environment = {
            **outside,
            **ports,
            "READMISSION_HOME": str(self.home),
            "READMISSION_BACKUP_KEY": secrets.token_urlsafe(32),
            "READMISSION_PREDICTION_LOG": "sync",  # every answer is on disk before it is sent
        }
        if self.source:
            self.environment["READMISSION_SOURCE"] = self.source

    @property
    def api(self) -> str:
        """Return the URL of the API."""
        return f"http://127.0.0.1:{self.environment['READMISSION_API_PORT']}"

    @property
    def settings(self) -> Settings:
        """Return the settings of this system."""
        # The environment of this process becomes the system's, which is what every reader of settings looks at.
        os.environ.update(self.environment)
        load_settings.cache_clear()
        return load_settings()

    def run(self, *arguments: str) -> None:
        """Run one verb.

        Raises:
            UserError: It failed.
        """
        command = [sys.executable, "-m", "readmission.cli", *arguments]
        if subprocess.run(command, env=self.environment, stdout=subprocess.DEVNULL, check=False).returncode:
            raise UserError(f"`readmission {' '.join(arguments)}` failed; its message is above.")

    def start(self) -> None:
        """Start it and wait until it answers predictions."""
        self.run("up", "--detach", *([] if self.source else ["--sample"]))

    def kill(self) -> None:
        """Kill every process of this system, as a power cut would."""
        for _ in range(3):
            for process in psutil.process_iter():
                try:
                    if process.environ().get("READMISSION_HOME") == str(self.home):
                        process.kill()
                except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                    continue
            time.sleep(0.3)


class PredictionClient:
    """Client that asks for predictions until it is stopped, and remembers what was acknowledged and when."""

    def __init__(self, api: str) -> None:
        self.acknowledged: list[tuple[float, str]] = []
        self._http, self._stop = httpx.Client(base_url=api, timeout=10), threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        number = 0
        while not self._stop.is_set():
            try:
                answer = self._http.post("/predict", json=RECORDS[number % len(RECORDS)])
                if answer.status_code == 200:
                    self.acknowledged.append((time.time(), answer.json()["prediction_id"]))
            except httpx.HTTPError:
                time.sleep(0.05)
            number += 1
            time.sleep(0.002)

    def stop(self) -> None:
        """Stop asking."""
        self._stop.set()
        self._thread.join(20)


def free_port() -> int:
    """Return a port of the loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

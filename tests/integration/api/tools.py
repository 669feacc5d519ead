"""What the tests of the API work with: a real API process, a real registry, a database that goes away."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg2
from mlflow.tracking import MlflowClient

from readmission import contract
from readmission.settings import Settings
from tests.conftest import administer, free_port

EXAMPLE = dict(contract.EXAMPLE)
TOKEN = "the-reload-token"
#: Columns without which a request is refused.
REQUIRED = ("gender", "age", "time_in_hospital", "num_lab_procedures", "num_procedures", "num_medications")


def until(check: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Return the first true answer; the last one raises what it raises."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if result := check():
                return result
        except (httpx.HTTPError, AssertionError, KeyError):
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


class Api:
    """A running API."""

    def __init__(self, home: Path, environment: dict[str, str], folder: Path | None = None) -> None:
        self.home, self.port = home, free_port()
        self.home.mkdir(parents=True, exist_ok=True)
        self.log = home / f"api-{self.port}.log"
        values = {
            "READMISSION_HOME": home,
            "READMISSION_API_PORT": self.port,
            "READMISSION_POSTGRES_PORT": 9,
            "READMISSION_RELOAD_TOKEN": TOKEN,
            "READMISSION_RELOAD_INTERVAL": "0.5",
            "READMISSION_MLFLOW_URI": "http://127.0.0.1:9",
            "BENTOML_HOME": home / "bentoml",
        } | environment
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "serving.server"],
                env=os.environ | {name: str(value) for name, value in values.items()},
                stdout=out,
                stderr=out,
                cwd=folder,  # BentoML imports from there first
                start_new_session=True,
            )
        scheme = "https" if "READMISSION_API_CERTIFICATE" in environment else "http"
        self.http = httpx.Client(
            base_url=f"{scheme}://127.0.0.1:{self.port}", timeout=20, trust_env=False, verify=False
        )

    def wait(self, path: str = "/livez", seconds: float = 60) -> "Api":
        def there() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return self.http.get(path).status_code == 200

        until(there, seconds)
        return self

    def predict(self, **changes: object) -> httpx.Response:
        return self.http.post("/predict", json=EXAMPLE | changes)

    def info(self) -> dict[str, Any]:
        return self.http.get("/model-info").json()

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of one name whose labels match."""
        total = 0.0
        for line in self.http.get("/metrics").text.splitlines():
            if line.startswith((name + "{", name + " ")) and all(f'{k}="{v}"' in line for k, v in labels.items()):
                total += float(line.rpartition(" ")[2])
        return total

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)

    def workers(self) -> list[int]:
        return [worker["pid"] for worker in self.info()["workers"]]

    def kill(self) -> None:
        """End everything at once, as a power cut does."""
        for pid in [self.process.pid, *(int(p.stem) for p in self.home.glob("models/*/workers/*.json"))]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(30)


def install(home: Path, folder: Path, version: str, alias: str = "champion") -> None:
    """Put a model where the sidecar puts one, and give it the alias."""
    models_folder = home / "models" / "diabetes_readmission"
    target = models_folder / version
    target.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    path = models_folder / "aliases.json"
    registry = json.loads(path.read_text()) if path.exists() else {"registry": "ok"}
    temporary = models_folder / "aliases.part"
    temporary.write_text(json.dumps(registry | {alias: version}))
    temporary.replace(path)


class Registry:
    """Publish compiled models under a name of the test's own."""

    def __init__(self, url: str) -> None:
        self.url, self.name = url, f"test_{uuid.uuid4().hex[:8]}"
        self.client = MlflowClient(url)
        self.client.create_registered_model(self.name)
        self.experiment = self.client.create_experiment(self.name)

    def publish(self, folder: Path, alias: str = "champion") -> str:
        run = self.client.create_run(self.experiment)
        self.client.log_artifacts(run.info.run_id, str(folder), "serving")
        version = self.client.create_model_version(self.name, f"runs:/{run.info.run_id}/model", run.info.run_id)
        self.client.set_registered_model_alias(self.name, alias, version.version)
        return str(version.version)

    def environment(self) -> dict[str, str]:
        return {"READMISSION_MLFLOW_URI": self.url, "READMISSION_MODEL_NAME": self.name}


@contextmanager
def serve_model(home: Path, model: Path) -> Iterator[Api]:
    """Run an API that serves one model and asks for no keys."""
    install(home, model, "1")
    running = Api(home, {}).wait("/readyz")
    yield running
    assert running.stop() == 0


@contextmanager
def database_down(settings: Settings) -> Iterator[None]:
    """Close the test's database to everyone for a while; connections are ended."""
    with administer(settings) as cursor:
        cursor.execute(f"ALTER DATABASE {settings.postgres.database} ALLOW_CONNECTIONS false")
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %(database)s",
            {"database": settings.postgres.database},
        )
    yield
    with administer(settings) as cursor:
        cursor.execute(f"ALTER DATABASE {settings.postgres.database} ALLOW_CONNECTIONS true")


def rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    """Read as the monitor may."""
    connection = psycopg2.connect(settings.database_url("monitor").replace("+psycopg2", ""))
    with connection, connection.cursor() as cursor:
        cursor.execute(query)
        fetched: list[tuple[Any, ...]] = cursor.fetchall()
    connection.close()
    return fetched


Starter = Callable[..., Api]

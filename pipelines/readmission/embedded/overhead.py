"""`make bench-airflow`: what the running embedded Airflow adds to a step, side by side with the bare command."""

import os
import statistics
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from readmission import settings as configuration
from readmission.embedded import airflow
from readmission.errors import UserError
from readmission.settings import Settings

DAG = "readmission_ingest"
ROUNDS = 5


def client(settings: Settings) -> httpx.Client:
    """Return a client of Airflow's API that is logged in.

    Raises:
        UserError: no Airflow answers.
    """
    url = f"http://127.0.0.1:{settings.airflow_port}"
    password = settings.airflow_password.get_secret_value() if settings.airflow_password else ""
    try:
        answer = httpx.post(f"{url}/auth/token", json={"username": "admin", "password": password}, timeout=30)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise UserError(f"No Airflow answers at {url} ({error}): `make up AIRFLOW=1`.") from error
    token = answer.json()["access_token"]
    return httpx.Client(base_url=f"{url}/api/v2", headers={"Authorization": f"Bearer {token}"}, timeout=30)


def by_airflow(api: httpx.Client) -> tuple[float, float, float]:
    """Run one step by a triggered DAG run; return seconds until it starts, of the task, and of all of it."""
    answer = api.post(f"/dags/{DAG}/dagRuns", json={"logical_date": None, "conf": {"batch": 1}})
    answer.raise_for_status()
    run = answer.json()
    while run["state"] not in ("success", "failed"):
        time.sleep(0.2)
        run = api.get(f"/dags/{DAG}/dagRuns/{run['dag_run_id']}").json()
    task: dict[str, Any] = api.get(f"/dags/{DAG}/dagRuns/{run['dag_run_id']}/taskInstances/ingest").json()
    asked, began, ended = (datetime.fromisoformat(t) for t in (run["queued_at"], task["start_date"], task["end_date"]))
    return (began - asked).total_seconds(), (ended - began).total_seconds(), (ended - asked).total_seconds()


def by_hand(settings: Settings) -> float:
    """Run the same step as a bare command; return its seconds."""
    source = airflow.environment(settings)["READMISSION_SOURCE"]
    program = str(Path(sys.executable).with_name("readmission"))
    began = time.monotonic()
    subprocess.run(
        [program, "ingest", "--batch", "1"], env=os.environ | {"READMISSION_SOURCE": source},
        capture_output=True, check=True,
    )  # fmt: skip
    return time.monotonic() - began


def main() -> None:
    """Measure by turns and print the medians; the step is one that finds its batch taken already."""
    settings = configuration.load()
    api = client(settings)
    bare, runs = [], []
    for _ in range(ROUNDS):
        bare.append(by_hand(settings))
        runs.append(by_airflow(api))
    waited, task, whole = (statistics.median(column) for column in zip(*runs, strict=True))
    command = statistics.median(bare)
    print(  # noqa: T201
        f"median of {ROUNDS}: bare command {command:.2f} s; by Airflow {whole:.2f} s from trigger to end "
        f"({waited:.2f} s until it starts, task {task:.2f} s). Airflow adds {whole - command:.2f} s a step."
    )


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"readmission: {error}")

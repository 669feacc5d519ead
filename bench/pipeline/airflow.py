"""`make bench-airflow`: what the running embedded Airflow adds to a step, told from the step's own time."""

import statistics
import sys
import time
from datetime import datetime
from typing import Any

import httpx

from readmission import settings as configuration
from readmission.errors import UserError
from readmission.settings import Settings

#: A DAG with one step and no schedule; the step finds nothing to do and is skipped, which changes nothing.
DAG, STEP = "readmission_process", "process"
ROUNDS = 7


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


def measure(api: httpx.Client) -> dict[str, float]:
    """Run the step by a triggered DAG run; return the seconds of each part of it.

    The command's own time is read from the task's log, so that a busy machine slows both sides of the comparison.
    """
    answer = api.post(f"/dags/{DAG}/dagRuns", json={"logical_date": None})
    answer.raise_for_status()
    run = answer.json()
    url = f"/dags/{DAG}/dagRuns/{run['dag_run_id']}"
    while run["state"] not in ("success", "failed"):
        time.sleep(0.2)
        run = api.get(url).json()
    task: dict[str, Any] = api.get(f"{url}/taskInstances/{STEP}").json()
    log = api.get(f"{url}/taskInstances/{STEP}/logs/1", headers={"accept": "application/json"}).json()["content"]
    begun, ended = (_time(_line(log, words)["timestamp"]) for words in ("Running command", "Command exited"))
    return {
        "trigger to task": _time(task["start_date"]) - _time(run["queued_at"]),
        "task to command": begun - _time(task["start_date"]),
        "command": ended - begun,
        "command to end": _time(run["end_date"]) - ended,
    }


def _line(log: list[dict[str, Any]], words: str) -> dict[str, Any]:
    return next(line for line in log if str(line.get("event", "")).startswith(words))


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def main() -> None:
    """Measure and print the medians."""
    api = client(configuration.load())
    runs = [measure(api) for _ in range(ROUNDS)]
    parts = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    added = statistics.median(sum(run.values()) - run["command"] for run in runs)
    told = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in parts.items())
    print(f"median of {ROUNDS}: {told}. Airflow adds {added:.2f} s to a step.")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"readmission: {error}")

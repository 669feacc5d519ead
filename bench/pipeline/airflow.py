"""Measure what the running embedded Airflow adds to a step: ``make bench WHAT=airflow``."""

import statistics
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

import httpx

from readmission.errors import UserError
from readmission.polling import wait_until
from readmission.settings import Settings, load_settings

#: A DAG with one step and no schedule; the step has nothing to do and is skipped, which changes nothing.
DAG, STEP = "readmission_process", "process"
ROUNDS = 7


def main(arguments: list[str]) -> int:
    """Measure several runs and print the medians."""
    ArgumentParser(prog="python -m bench airflow", description=__doc__).parse_args(arguments)
    with log_in(load_settings()) as api:
        runs = [time_dag_run(api) for _ in range(ROUNDS)]
    medians = {part: statistics.median(run[part] for run in runs) for part in runs[0]}
    added = statistics.median(sum(run.values()) - run["command"] for run in runs)
    parts = ", ".join(f"{part} {seconds:.2f} s" for part, seconds in medians.items())
    print(f"median of {ROUNDS}: {parts}. Airflow adds {added:.2f} s to a step.")
    return 0


def log_in(settings: Settings) -> httpx.Client:
    """Return a client of Airflow's API that is logged in.

    Raises:
        UserError: Airflow does not answer.
    """
    url = f"http://127.0.0.1:{settings.airflow.port}"
    password = settings.airflow.password.get_secret_value() if settings.airflow.password else ""
    try:
        response = httpx.post(f"{url}/auth/token", json={"username": "admin", "password": password}, timeout=30)
        response.raise_for_status()
    except httpx.HTTPError as error:
        raise UserError(f"Airflow does not answer at {url} ({error}). Start it with `make up AIRFLOW=1`.") from error
    token = response.json()["access_token"]
    return httpx.Client(base_url=f"{url}/api/v2", headers={"Authorization": f"Bearer {token}"}, timeout=30)


def time_dag_run(api: httpx.Client) -> dict[str, float]:
    """Trigger the DAG once; return the seconds of each part of the run.

    The time of the step's own command comes from the task's log, so that a busy machine slows both sides of the
    comparison.
    """
    response = api.post(f"/dags/{DAG}/dagRuns", json={"logical_date": None})
    response.raise_for_status()
    url = f"/dags/{DAG}/dagRuns/{response.json()['dag_run_id']}"
    wait_until(
        lambda: api.get(url).json()["state"] in ("success", "failed"),
        seconds=600,
        failure=f"{DAG} did not end in ten minutes.",
    )
    run = api.get(url).json()
    task = api.get(f"{url}/taskInstances/{STEP}").json()
    lines = api.get(f"{url}/taskInstances/{STEP}/logs/1", headers={"accept": "application/json"}).json()["content"]
    began, ended = (_timestamp(_line(lines, start)["timestamp"]) for start in ("Running command", "Command exited"))
    return {
        "trigger to task": _timestamp(task["start_date"]) - _timestamp(run["queued_at"]),
        "task to command": began - _timestamp(task["start_date"]),
        "command": ended - began,
        "command to end": _timestamp(run["end_date"]) - ended,
    }


def _line(lines: list[dict[str, Any]], start: str) -> dict[str, Any]:
    return next(line for line in lines if str(line.get("event", "")).startswith(start))


def _timestamp(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()

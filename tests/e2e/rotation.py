"""Passwords and tokens made anew while predictions are asked for."""

import time
from pathlib import Path

from callers import asked_all_the_time, stored
from chains import airflow
from cluster import ProofError, helmfile, kubectl, objects, secret, start, until
from install import VALUES, replicas

CALLER = Path(__file__).with_name("caller.yaml")
#: Some of what is made anew: of the database, of the object store, of the API, of Airflow.
WATCHED = (
    ("readmission", "readmission-database-serving", "password"),
    ("pipelines", "readmission-database-monitor", "password"),
    ("readmission", "readmission-objects-mlflow", "secret-key"),
    ("readmission", "readmission-reload", "token"),
    ("airflow", "airflow-keys", "connection"),
)
_MONITOR = "dags/readmission_monitor/dagRuns"


def pods() -> set[str]:
    """Return the API's pods by their uid."""
    return {p["metadata"]["uid"] for p in objects("pods", "readmission", "app.kubernetes.io/component=inference")}


def rotated() -> str:
    """Make all anew under requests of a pod that stays: none fails, all is stored, and a step still runs."""
    values = VALUES.with_name("rotated.yaml")
    values.write_text(f"rotate: {{all: e2e-{time.time():.0f}}}\n")
    before, earlier = {key: secret(*key) for key in WATCHED}, pods()
    start(CALLER, "caller", "readmission")
    try:
        with asked_all_the_time("caller") as answers:
            helmfile("sync", values=(VALUES, values))
    finally:
        kubectl("-n", "readmission", "delete", "deployment", "caller")
    same = ["/".join(key) for key, value in before.items() if secret(*key) == value]
    if same or answers.bad or not answers.ids:
        raise ProofError(f"as before: {same}; {answers}")
    until(120, "other pods of the API", lambda: not pods() & earlier)
    run = airflow(_MONITOR, "POST", {"logical_date": None})["dag_run_id"]

    def ended() -> str:
        state = str(airflow(f"{_MONITOR}/{run}")["state"])
        return state if state in ("success", "failed") else ""

    if (state := until(300, "a run of `monitor`", ended, pause=3)) != "success":
        raise ProofError(f"the step `monitor` with the new password: {state}")
    return f"{len(WATCHED)} values looked at, all new; {answers}; {stored(answers.ids)}; {replicas()}; `monitor` ran"

"""Airflow on the cluster: batches through pods to a champion, pods lost on the way, a person's approval."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import backups
import httpx
from cluster import ProofError, forward, kubectl, objects, secret, until
from install import champion, sql

#: The chain of DAGs that takes a batch to a champion; each has a step of its own name.
CHAIN = ("ingest", "process", "train", "promote")
PROMOTIONS = "dags/readmission_promote/dagRuns"


class LostError(Exception):
    """A DAG that has failed for good: waiting on is of no use."""


def airflow(path: str, method: str = "GET", body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask Airflow's REST API as its admin."""
    with forward("svc/airflow-api-server", "airflow", 8080) as url:
        login = {"username": "admin", "password": secret("airflow", "airflow-keys", "admin-password")}
        token = httpx.post(f"{url}/auth/token", json=login, timeout=60).raise_for_status().json()["access_token"]
        answer = httpx.request(
            method, f"{url}/api/v2/{path}", json=body, headers={"Authorization": f"Bearer {token}"}, timeout=60
        )
        document: dict[str, Any] = answer.raise_for_status().json()
        return document


def runs() -> dict[str, list[str]]:
    """Return the states of every DAG's runs, oldest first."""
    states: dict[str, list[str]] = {}
    for item in airflow("dags/~/dagRuns?order_by=start_date&limit=100")["dag_runs"]:
        states.setdefault(item["dag_id"].removeprefix("readmission_"), []).append(item["state"])
    return states


def finished(number: int) -> str:
    """Tell whether the chain from ingest to promotion has run so often, or fail with the failed task's log."""
    now = runs()
    for name in CHAIN:
        if now.get(name, [])[-1:] == ["failed"]:
            raise LostError(f"DAG {name} failed: {failure(f'readmission_{name}')}")
    successes = {n: s.count("success") for n, s in now.items()}
    print(f"     {time.strftime('%H:%M:%S')} DAG runs: {now}", flush=True)
    return str(now) if all(successes.get(n, 0) >= number for n in CHAIN[1:]) else ""


def failure(dag: str) -> str:
    """Return the end of the log of the first failed task of a DAG's last run."""
    last = airflow(f"dags/{dag}/dagRuns?order_by=-start_date&limit=1")["dag_runs"][0]["dag_run_id"]
    for task in airflow(f"dags/{dag}/dagRuns/{last}/taskInstances")["task_instances"]:
        if task["state"] == "failed":
            path = f"dags/{dag}/dagRuns/{last}/taskInstances/{task['task_id']}/logs/{task['try_number']}"
            log = airflow(f"{path}?map_index={task['map_index']}")
            return f"{task['task_id']}: " + " / ".join(str(e.get("event", e)) for e in log["content"][-15:])
    return "no failed task"


def first_chain() -> str:
    """Wait for Airflow to take the first batch through ingest, process, train and promote: each step a pod."""
    return until(900, "the first champion", lambda: finished(1), pause=10)


def lost(step: str) -> str:
    """Delete the first pod of a step that is seen running, as a node that dies would; return its name."""

    def look() -> str:
        for pod in objects("pods", "pipelines", f"readmission/step={step}"):
            states = pod["status"].get("containerStatuses", [])
            if states and "running" in states[0]["state"]:
                return str(pod["metadata"]["name"])
        return ""

    name = until(900, f"a running pod of {step}", look, pause=0.5)
    kubectl("-n", "pipelines", "delete", "pod", name, "--grace-period=0", "--force")
    return name


def second_chain() -> str:
    """Take batch 2 through while a pod of each of its steps is lost: Airflow runs them again."""
    began = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    airflow("dags/readmission_ingest/dagRuns", "POST", {"logical_date": None})
    gone = [lost(step) for step in CHAIN]
    until(1200, "the second promotion", lambda: finished(2), pause=10)
    again = {dag: tries(dag, began) for dag in CHAIN}
    if not all(again.values()):
        raise ProofError(f"pods {gone} were deleted, and these tasks were run again: {again}")
    return f"deleted {', '.join(gone)}; run again: {' '.join(t for tasks in again.values() for t in tasks)}"


def tries(dag: str, began: str) -> list[str]:
    """Return the tasks of a DAG's runs that ended since a moment and took more than one attempt."""
    runs = airflow(f"dags/readmission_{dag}/dagRuns?end_date_gte={began}&limit=20")["dag_runs"]
    tasks = [
        task
        for run in runs
        for task in airflow(f"dags/readmission_{dag}/dagRuns/{run['dag_run_id']}/taskInstances")["task_instances"]
    ]
    return [f"{t['task_id']}[{t['map_index']}] x{t['try_number']}" for t in tasks if t["try_number"] > 1]


def tables() -> str:
    """Nothing is missing and nothing doubled: each accepted row is clean or excluded once, each family trained once."""
    raw, excluded, clean, copies = numbers(
        "SELECT (SELECT sum(accepted) FROM raw.batches), (SELECT sum(excluded) FROM clean.batches),"
        " (SELECT count(*) FROM clean.encounters), (SELECT count(*) FROM (SELECT family, last_batch"
        " FROM training.experiments GROUP BY family, last_batch HAVING count(*) > 1) x)"
    )
    trained, promoted = numbers(
        "SELECT (SELECT count(*) FROM training.experiments),"
        " (SELECT count(*) FROM training.promotions WHERE decision = 'promoted')"
    )
    if clean + excluded != raw or copies:
        raise ProofError(f"{raw} raw rows, {clean} clean, {excluded} excluded; {copies} families trained twice")
    return f"{raw} rows = {clean} clean + {excluded} excluded; {trained} trainings, none twice; {promoted} promotions"


def numbers(query: str) -> list[int]:
    """Return a query's only row, of numbers."""
    return [int(n) for n in re.findall(r"\d+", sql(query))]


def pause(step: str, paused: bool) -> None:
    """Pause the DAG of a step or let it go on."""
    airflow(f"dags/readmission_{step}", "PATCH", {"is_paused": paused})


def next_batch(meanwhile: Callable[[], None] = lambda: None) -> None:
    """Take a batch from ingest to trained families; its promotion is left to whoever asks for it."""
    before = runs()["train"].count("success")
    pause("promote", True)
    try:
        airflow("dags/readmission_ingest/dagRuns", "POST", {"logical_date": None})
        meanwhile()
        until(900, "the training of a batch", lambda: runs()["train"].count("success") > before, pause=5)
    finally:
        pause("promote", False)


def asked_for(start: Callable[[], str]) -> str:
    """Start a promotion for each new batch, until one has a candidate for a person; return the path of its run.

    A candidate that the gates refuse is no failure: a batch need not teach anything.
    """
    for _ in range(3):
        next_batch()
        run = f"{PROMOTIONS}/{start()}"
        if until(900, "the request for approval", partial(waits, run), pause=2) == "waits":
            # As late as a person: answered before the scheduler has heard that the task is parked, it asks anew.
            time.sleep(15)
            return run
    raise ProofError("the gates refused the candidates of three batches")


def waits(run: str) -> str:
    """Say whether a promotion `waits` for a person or has `ended`; empty if neither."""
    if state(run, "approve") in ("awaiting_input", "deferred"):
        return "waits"
    return "ended" if airflow(run)["state"] in ("success", "failed") else ""


def state(run: str, task: str) -> str:
    """Return the state of a task of a run; empty if it has none yet."""
    return {t["task_id"]: str(t["state"] or "") for t in airflow(f"{run}/taskInstances")["task_instances"]}[task]


def approval() -> str:
    """Ask for a promotion that a person has to approve; nothing moves until this person does."""
    parameters = {"logical_date": None, "conf": {"approval": True}}
    run = asked_for(lambda: str(airflow(PROMOTIONS, "POST", parameters)["dag_run_id"]))
    before, waiting = champion(), state(run, "promote")
    if waiting:
        raise ProofError(f"promote did not wait for the approval: {waiting}")
    airflow(f"{run}/taskInstances/approve/-1/hitlDetails", "PATCH", {"chosen_options": ["Approve"]})
    began = time.monotonic()
    until(300, "the end of the run", lambda: airflow(run)["state"] == "success", pause=2)
    after = champion()
    if int(after) <= int(before):
        raise ProofError(f"approved, and the champion is {after} after {before}")
    took = f"{time.monotonic() - began:.0f} s after the approval"
    return f"promote waited, then {state(run, 'promote')} {took}; champion {before} -> {after}"


def forgets() -> str:
    """An old log goes by the sidecar's own script, old runs by the Job of the CronJob."""
    pod, sidecar = "statefulset/airflow-scheduler", "scheduler-log-groomer"
    template = json.loads(kubectl("-n", "airflow", "get", pod, "-o", "json"))["spec"]["template"]
    [script] = [c["args"][-1] for c in template["spec"]["containers"] if c["name"] == sidecar]
    inside = ["-n", "airflow", "exec", pod, "-c", sidecar, "--", "bash", "-c"]
    once = script.removeprefix("while true; do ").split("; sleep")[0]
    kubectl(*inside, 'touch -d "1 year ago" "$AIRFLOW_HOME/logs/old.log"; touch "$AIRFLOW_HOME/logs/new.log"')
    kubectl(*inside, once)
    left = kubectl(*inside, 'cd "$AIRFLOW_HOME/logs" && ls old.log new.log 2>/dev/null; rm new.log').split()
    if left != ["new.log"]:
        raise ProofError(f"of old.log and new.log are left: {left}")
    backups.job("forget", "airflow-database-cleanup", namespace="airflow")
    return "an old log is gone, a new one stays; the Job of the database ended well"

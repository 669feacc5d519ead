"""Backup and restore on the cluster: the Jobs of the chart, with rows and models that were deleted in between."""

import json
import tempfile
import time

import httpx
from cluster import ProofError, forward, helmfile, kubectl, until
from install import VALUES, batches, champion, object_store, sql

from readmission import contract

_NAMESPACE = "readmission"
#: Deletes what a restore must bring back, as the administrator whose password the Job has.
_DELETE = """
import os, psycopg2
value = lambda name: os.environ["READMISSION_POSTGRES_" + name]
connection = psycopg2.connect(host=value("HOST"), port=value("PORT"), dbname=value("DATABASE"),
                              user=value("ADMIN_USER"), password=value("PASSWORD_ADMIN"))
connection.cursor().execute("DELETE FROM serving.predictions; DELETE FROM clean.encounters")
connection.commit()
"""


def job(name: str, cronjob: str, program: str = "", namespace: str = _NAMESPACE) -> str:
    """Run the Job of a CronJob, or a Python program in its place, to the end; return its log or fail with it."""
    kubectl("-n", namespace, "delete", "job", name, "--ignore-not-found")
    create = ["create", "job", name, f"--from=cronjob/{cronjob}", "--dry-run=client", "-o", "json"]
    made = json.loads(kubectl("-n", namespace, *create))
    if program:
        made["spec"]["template"]["spec"]["containers"][0] |= {"command": ["python", "-c", program], "args": []}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(made, file)
        file.flush()
        kubectl("-n", namespace, "create", "-f", file.name)

    def outcome() -> str:
        status = json.loads(kubectl("-n", namespace, "get", "job", name, "-o", "json"))["status"]
        return "succeeded" if status.get("succeeded") else "failed" if status.get("failed") else ""

    ended = until(1800, f"the end of job {name}", outcome, pause=3)
    log = kubectl("-n", namespace, "logs", f"job/{name}", check=False)
    if ended != "succeeded":
        raise ProofError(f"job {name} {ended}: {log[-1000:]}")
    return log


def last_message(log: str) -> str:
    """Return the last message of a log in JSON lines."""
    messages = [json.loads(line)["message"] for line in log.splitlines() if line.startswith("{")]
    return str(messages[-1]) if messages else log[-200:]


def answers() -> list[dict[str, float]]:
    """Return the probabilities of five encounters."""
    records = [dict(contract.EXAMPLE) | {"number_inpatient": number} for number in range(5)]
    with forward("svc/readmission-inference", _NAMESPACE, 8080) as url:
        return [httpx.post(f"{url}/predict", json=record, timeout=30).json()["probabilities"] for record in records]


def saved() -> str:
    """Make a backup by the Job of the CronJob, while the system answers."""
    began = time.monotonic()
    log = job("backup-now", "readmission-backup")
    return f"{time.monotonic() - began:.0f} s: {last_message(log)}"


def delete_models() -> int:
    """Delete MLflow's artifacts from the object store; return how many files those were."""
    with forward("svc/minio", "readmission-data", 9000) as url:
        client = object_store(url, "readmission", "readmission-objects-mlflow")
        keys = [
            entry["Key"]
            for page in client.get_paginator("list_objects_v2").paginate(Bucket="mlflow")
            for entry in page.get("Contents", ())
        ]
        for key in keys:
            client.delete_object(Bucket="mlflow", Key=key)
    return len(keys)


def restored() -> str:
    """Delete rows and every model, restore with the clients at zero, and find everything as it was."""
    tables = "SELECT (SELECT count(*) FROM clean.encounters), (SELECT count(*) FROM training.experiments)"
    logged = "SELECT count(*) FROM serving.predictions"
    before, predictions = (champion(), batches(), sql(tables), answers()), sql(logged)
    job("backup-now", "readmission-backup")
    for namespace in (_NAMESPACE, "airflow"):
        kubectl("-n", namespace, "scale", "deployment,statefulset", "--all", "--replicas=0")
    job("delete-rows", "readmission-backup", _DELETE)
    files = delete_models()
    began = time.monotonic()
    # Refused as long as a client is connected.
    log = until(300, "a restore", lambda: job("restore-now", "readmission-backup-restore"), pause=10)
    took = time.monotonic() - began
    helmfile("sync", values=(VALUES,))
    kubectl("-n", _NAMESPACE, "rollout", "status", "deployment/readmission-inference", "--timeout=300s")
    after = champion(), batches(), sql(tables), answers()
    if before != after:
        raise ProofError(f"{before[:3]} became {after[:3]}; answers equal: {before[3] == after[3]}")
    if sql(logged) < predictions:
        raise ProofError(f"{predictions} predictions were logged, {sql(logged)} are")
    return f"{took:.0f} s; {files} files and all rows are back, answers equal to the bit: {last_message(log)}"


#: The CronJob's own program, told to keep no deleted run.
_COLLECT = """
import runpy, sys
sys.argv = ["garbage.py", "0"]
runpy.run_path("/script/garbage.py", run_name="__main__")
"""


def collected() -> str:
    """Delete a run in MLflow, and have the Job of MLflow's CronJob remove it for good; the champion stays."""
    before = champion(), answers()
    with forward("svc/readmission-mlflow", _NAMESPACE, 5000) as url:
        api = f"{url}/api/2.0/mlflow"
        run = httpx.post(f"{api}/runs/create", json={"experiment_id": "0"}, timeout=30).raise_for_status().json()
        run_id = run["run"]["info"]["run_id"]
        httpx.post(f"{api}/runs/delete", json={"run_id": run_id}, timeout=30).raise_for_status()
    log = job("collect-now", "readmission-mlflow-garbage", _COLLECT)
    with forward("svc/readmission-mlflow", _NAMESPACE, 5000) as url:
        gone = httpx.get(f"{url}/api/2.0/mlflow/runs/get", params={"run_id": run_id}, timeout=30)
    if gone.status_code != 404 or (champion(), answers()) != before:
        raise ProofError(f"the run: {gone.status_code} {gone.text[:200]}; champion {before[0]} became {champion()}")
    return log.strip().splitlines()[-1]

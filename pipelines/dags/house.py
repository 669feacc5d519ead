"""What the DAGs have in common: their settings, their assets, whom a failure is told, defaults of every task.

Settings are Airflow's own, section `[readmission]` of airflow.cfg or AIRFLOW__READMISSION__<NAME> in the environment:

    runtime               kubernetes (default): a pod a step; local: a process of this machine
    steps                 JSON that goes before steps.json beside this file: resources, deadline, Secrets by step,
                          such as {"train": {"resources": {"limits": {"memory": "4Gi"}}}}
    retries, retry_delay  of a failed step: how often, and seconds before the first (they double)
    failure_webhook       URL that is told of a step that failed for good, as JSON; empty: the log only
    approval              true: a person approves each promotion in Airflow
    ingest_minutes        how often the feed is asked for the next batch
    train_parallel        model families trained at once
    image, namespace, configmap   kubernetes: the steps' image, namespace and common settings
    command               local: the `readmission` program of the steps' own environment
"""

import json
import logging
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path

from airflow.configuration import conf
from airflow.sdk import Asset

log = logging.getLogger(__name__)

SECTION = "readmission"
RUNTIME = conf.get(SECTION, "runtime", fallback="kubernetes")
APPROVAL = conf.getboolean(SECTION, "approval", fallback=False)


def _merged(base, over):
    """Return a mapping with another's values before its own, at every depth."""
    return base | {k: _merged(base[k], v) if isinstance(base.get(k), dict) else v for k, v in over.items()}


STEPS = _merged(
    json.loads(Path(__file__).with_name("steps.json").read_text()),
    json.loads(conf.get(SECTION, "steps", fallback="{}")),
)
#: Model families, in the order of `readmission train --help`; a test compares them with the package.
FAMILIES = [
    "logistic_regression",
    "decision_tree",
    "random_forest",
    "gradient_boosting",
    "lightgbm",
    "xgboost",
]

# What flows from DAG to DAG. The data itself is in Postgres, the object store and MLflow.
RAW = Asset("readmission_raw")
CLEAN = Asset("readmission_clean")
CANDIDATES = Asset("readmission_candidates")
CHAMPION = Asset("readmission_champion")
RETRAIN = Asset("readmission_retrain")


def tell_failure(context):
    """Say in the log, and to the webhook when one is set, which step failed for good."""
    ti = context["ti"]
    notice = {
        "dag_id": ti.dag_id,
        "task_id": ti.task_id,
        "map_index": ti.map_index,
        "run_id": context["run_id"],
        "try_number": ti.try_number,
        "error": str(context.get("exception") or "the task's process was lost"),
    }
    log.error("step %(dag_id)s.%(task_id)s failed for good in run %(run_id)s: %(error)s", notice)
    url = conf.get(SECTION, "failure_webhook", fallback="")
    if not url:
        return
    if not url.startswith(("http://", "https://")):
        log.error("failure_webhook is no http(s) URL; nobody was told")
        return
    body = json.dumps(notice).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 (checked above)
    try:
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
    except OSError as error:
        # The address may hold a token: it is not written down.
        log.error("the failure webhook could not be reached: %s", error)


#: `DAG(**COMMON)`: what every DAG of this folder has.
COMMON = {
    "start_date": datetime(2026, 1, 1),
    "catchup": False,
    # Two runs of one step would wait for each other in the database; one after the other is clearer.
    "max_active_runs": 1,
    "default_args": {
        "owner": "data-team",
        "retries": conf.getint(SECTION, "retries", fallback=3),
        "retry_delay": timedelta(seconds=conf.getfloat(SECTION, "retry_delay", fallback=30)),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=10),
        "on_failure_callback": tell_failure,
    },
}

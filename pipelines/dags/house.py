"""Settings, assets, failure notice and task defaults that the DAGs share.

Settings are Airflow's own, section `[readmission]` of airflow.cfg or AIRFLOW__READMISSION__<NAME> in the environment:

    runtime               kubernetes (default): each step is a pod; local: a process of this machine
    steps                 JSON that overrides steps.json beside this file: resources, deadline, Secrets by step,
                          such as {"train": {"resources": {"limits": {"memory": "4Gi"}}}}
    retries, retry_delay  how often a failed step is retried, and seconds before the first retry (they double)
    failure_webhook       URL that gets a JSON notice when a step has failed for good; if empty, only the log has it
    approval              true: a person has to approve each promotion in Airflow
    ingest_minutes        how often to request the next batch from the feed, in minutes
    train_parallel        slots of the pool of trainings, `readmission_training`: how many families are trained at once,
                          over all runs. The installation creates the pool with so many slots
    image, namespace, configmap   kubernetes: the steps' image, namespace and common settings
    pull_policy           kubernetes: when nodes pull that image
    pod                   kubernetes: JSON with more of each pod's specification: serviceAccountName, nodeSelector,
                          tolerations, priorityClassName, imagePullSecrets, and securityContext instead of user 10001
    ca_bundle             kubernetes: ConfigMap whose `ca.crt` holds the CAs that steps trust
    object_keys           kubernetes: false: steps get no keys of the object store; their ServiceAccount opens it
    command               local: the `readmission` program of the steps' own environment
"""

import json
import logging
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.configuration import conf
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Asset, CronTriggerTimetable, Param
from airflow.sdk.exceptions import AirflowSkipException

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

SECTION = "readmission"
RUNTIME = conf.get(SECTION, "runtime", fallback="kubernetes")
APPROVAL = conf.getboolean(SECTION, "approval", fallback=False)


def daily(cron: str) -> CronTriggerTimetable:
    """Return a daily schedule in UTC whose first run lies ahead, so that an installation begins with its data."""
    # `False` would not do: Airflow then makes up for a run that was due up to a tenth of a day ago.
    return CronTriggerTimetable(cron, timezone="UTC", run_immediately=timedelta(0))


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return `base` overridden by `over`, at every depth."""
    return base | {k: _merged(base[k], v) if isinstance(base.get(k), dict) else v for k, v in over.items()}


STEPS: dict[str, Any] = _merged(
    json.loads(Path(__file__).with_name("steps.json").read_text()),
    json.loads(conf.get(SECTION, "steps", fallback="{}")),
)
#: Pool of all trainings, and its slots. A training of one family takes one, a training of all families every slot, so
#: that it runs beside no other.
TRAINING, TRAIN_PARALLEL = "readmission_training", conf.getint(SECTION, "train_parallel", fallback=6)
#: Model families, in the order of `readmission train --help`; a test compares them with the package.
FAMILIES = [
    "logistic_regression",
    "decision_tree",
    "random_forest",
    "gradient_boosting",
    "lightgbm",
    "xgboost",
]

# Assets connect the DAGs. The data itself is in Postgres, the object store and MLflow.
RAW = Asset("readmission_raw")
CLEAN = Asset("readmission_clean")
CANDIDATES = Asset("readmission_candidates")
CHAMPION = Asset("readmission_champion")
RETRAIN = Asset("readmission_retrain")


def tell_failure(context: "Context") -> None:
    """Report a step that has failed for good to the log, and to the webhook if one is set."""
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
        log.error("failure_webhook is not an http(s) URL; no notice was sent")
        return
    body = json.dumps(notice).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 (checked above)
    try:
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
    except OSError as error:
        # The URL may contain a token, so it is not logged.
        log.error("the failure webhook could not be reached: %s", error)


#: Key of a step's result in XCom.
RESULT = "result"
#: The candidate that was judged, and that alone is promoted.
CANDIDATE = "--run-id={{ ti.xcom_pull(task_ids='judge', key='result')['run_id'] }}"
#: Who decides, for the ledger: the person who approved, else the one who started the run, else Airflow itself.
DECIDED_BY = (
    "{% set answer = ti.xcom_pull(task_ids='approve') or {} %}"
    "--by={{ (answer.get('responded_by_user') or {}).get('name') or dag_run.triggering_user_name or 'airflow' }}"
)
#: Who has a batch scored, for the access log.
ASKED_BY = "--by={{ dag_run.triggering_user_name or 'airflow' }}"


def skip_unless_required(context: "Context") -> None:
    """Continue without approval unless the setting or this run requires it."""
    if not context["params"]["approval"]:
        raise AirflowSkipException("promotion is automatic")


#: Parameter of a run that promotes.
APPROVAL_PARAM = Param(APPROVAL, type="boolean", title="Approval", description="Wait for a person before promoting.")


def ask_for_approval() -> ApprovalOperator:
    """Return the task that waits for a person, in the DAG that is being defined."""
    return ApprovalOperator(
        task_id="approve",
        subject="Promote {{ ti.xcom_pull(task_ids='judge', key='result')['family'] }} of batches"
        " {{ ti.xcom_pull(task_ids='judge', key='result')['batches'] }}?",
        body="{{ ti.xcom_pull(task_ids='judge', key='result')['text'] }}",
        response_timeout=timedelta(days=3),
        # Nobody has answered: to ask again would block the next run for days more.
        retries=0,
        pre_execute=skip_unless_required,
    )


def pass_on(asset: Asset, *tasks: str) -> Callable[["Context"], None]:
    """Return what gives an asset's event the results of earlier tasks, by task; a mapped task has a list of them."""

    def add_results(context: "Context") -> None:
        pulled = {task: context["ti"].xcom_pull(task_ids=task, key=RESULT) for task in tasks}
        context["outlet_events"][asset].extra = {task: result for task, result in pulled.items() if result}

    return add_results


#: Arguments of every DAG of this folder: `DAG(**COMMON)`. Those of a time of day have no start date: with one, each
#: would run as soon as it is installed, in the way of the first model.
COMMON: dict[str, Any] = {
    "catchup": False,
    # Two runs of one step would wait for each other in the database. Running one after the other is clearer.
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

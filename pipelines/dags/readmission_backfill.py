"""Run every step over all batches, in order and by hand: to fill a new installation or a new database.

**What** — `ingest` takes every batch that the source offers, `process` cleans them, and `train` fits the families on
all of them. `judge` names the candidate that passes the gates, and where approval is required, `approve` waits for a
person. The API and the scores follow, as in the other DAGs.

**In** — the source. **Out** — everything the other DAGs write.

**When it fails** — clear the failed task. Batches and models that are done are not repeated. The other DAGs may run at
the same time: two ingests, or two trainings of one family, wait for each other in the database. The training of all
families takes the whole pool `readmission_training`, so that no other training runs beside it.
"""

from airflow.sdk import DAG, Param
from house import (
    APPROVAL_PARAM,
    CANDIDATE,
    CHAMPION,
    COMMON,
    DECIDED_BY,
    TRAIN_PARALLEL,
    TRAINING,
    ask_for_approval,
    pass_on,
)
from step import Step

with DAG(
    dag_id="readmission_backfill",
    schedule=None,
    doc_md=__doc__,
    tags=["readmission", "data", "model"],
    params={
        "each_batch": Param(
            False,
            type="boolean",
            title="Learning curve",
            description="Train after each batch instead of only after the last, to see what more data brings.",
        ),
        "approval": APPROVAL_PARAM,
    },
    **COMMON,
):
    ingest = Step(task_id="ingest", arguments=["--all"])
    process = Step(task_id="process", trigger_rule="none_failed")
    train = Step(
        task_id="train",
        trigger_rule="none_failed",
        pool=TRAINING,
        pool_slots=TRAIN_PARALLEL,
        arguments=["{{ '--each-batch' if params.each_batch else '' }}"],
    )
    judge = Step(task_id="judge")
    approve = ask_for_approval()
    promote = Step(task_id="promote", trigger_rule="none_failed_min_one_success", arguments=[CANDIDATE, DECIDED_BY])
    reload = Step(task_id="reload", outlets=[CHAMPION], pre_execute=pass_on(CHAMPION, "judge", "promote"))
    ingest >> process >> train >> judge >> approve >> promote >> reload
    judge >> promote

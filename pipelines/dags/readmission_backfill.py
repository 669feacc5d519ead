"""Run everything over all batches, in order, by hand: the first filling of an installation, or of a new database.

**What** — `ingest` takes every batch that the source offers, `process` cleans them, `train` fits the families on all of
them, then the gate, the API and the scores, as in the other DAGs.

**In** — the source. **Out** — everything the other DAGs write.

**When it fails** — clear the failed task: batches and models that are done are not done again. The other DAGs may run
meanwhile: two ingests, or two trainings of one family, wait for each other in the database.
"""

from airflow.sdk import DAG, Param
from house import CHAMPION, COMMON
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
            description="Train after each batch, not only after the last: shows what more data brings; takes longer.",
        )
    },
    **COMMON,
):
    ingest = Step(task_id="ingest", arguments=["--all"])
    process = Step(task_id="process", trigger_rule="none_failed")
    train = Step(
        task_id="train",
        trigger_rule="none_failed",
        arguments=["{{ '--each-batch' if params.each_batch else '' }}"],
    )
    promote = Step(task_id="promote", trigger_rule="none_failed")
    reload = Step(task_id="reload", outlets=[CHAMPION])
    ingest >> process >> train >> promote >> reload

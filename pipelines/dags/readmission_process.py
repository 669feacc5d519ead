"""Turn new raw batches into clean ones, and score them with the champion before anything is trained on them.

**What** — `process` sets types, missing values and diagnosis chapters, leaves out deaths and hospice, and splits by
patient. `score` adds the champion's risks of the new encounters, so that `readmission_monitor` sees how they drift and
how good the champion is on encounters that it was not trained on. Without a champion it is skipped, and if it fails,
the clean batch flows on without scores.

**In** — raw batches that are not clean yet. **Out** — `clean.encounters`, `clean.batches`, a Parquet snapshot with
its hash in the object store, `serving.scores`, and the asset `readmission_clean`, which starts `readmission_train` and
`readmission_monitor`.

**When it fails** — the last line of the task's log gives the reason. A batch is clean as a whole or not at all. Clear
the task to continue with the batches that are missing.
"""

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from house import ASKED_BY, CLEAN, COMMON, RAW, pass_on
from step import Step

with DAG(
    dag_id="readmission_process",
    schedule=[RAW],
    doc_md=__doc__,
    tags=["readmission", "data"],
    **COMMON,
):
    process = Step(task_id="process")
    score = Step(task_id="score", arguments=["--new", ASKED_BY])
    # Scored, skipped for want of a champion, or failed: the batch is clean all the same. No rule of one task says so:
    # `all_done_min_one_success` skips a task as soon as one before it was skipped.
    scored = EmptyOperator(task_id="scored", trigger_rule="all_done")
    clean = EmptyOperator(task_id="clean", outlets=[CLEAN], pre_execute=pass_on(CLEAN, "process", "score"))
    process >> score >> scored >> clean
    process >> clean

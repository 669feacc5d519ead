"""Drop what is older than the retention settings allow.

**What** — `purge` drops months of predictions and of the access log, and deletes outcomes, refused rows, scores of
retired versions and reports that are older than their `READMISSION_RETENTION_*` setting.

**In** — the database and the object store. **Out** — less in both, and a row of `privacy.purges` for each place: how
many rows were dropped, never what they held.

It runs once a day.

**When it fails** — the last line of the task's log gives the reason. Clear the task. Nothing else depends on it, but
data stays longer than the settings say until it succeeds.
"""

from airflow.sdk import DAG
from house import COMMON, daily
from step import Step

with DAG(
    dag_id="readmission_purge",
    schedule=daily("45 3 * * *"),
    doc_md=__doc__,
    tags=["readmission", "privacy"],
    **COMMON,
):
    Step(task_id="purge")

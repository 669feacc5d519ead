"""Take the next batch of raw rows.

**What** — every few minutes (`[readmission] ingest_minutes`), the next batch of 15,000 rows from the data feed
(`READMISSION_SOURCE=feed+http://...`; a file works as well) is validated by the contract and stored.

**In** — the feed. **Out** — `raw.encounters`, `raw.quarantine` (refused rows with reasons), the ledger
`raw.batches`, and the asset `readmission_raw`, which starts `readmission_process`.

**Nothing new** — if the feed has no further batch, none yet, or is closed, the task is *skipped* and the run succeeds.

**When it fails** — the last line of the task's log gives the reason. *Feed not reached*: the next run tries again, and
nothing is lost. *Not the contract's table*: the whole batch is left out; correct the source, then clear the task.
Running it again is always safe, because no batch is stored twice.
"""

from datetime import timedelta

from airflow.configuration import conf
from airflow.sdk import DAG, Param
from house import COMMON, RAW, SECTION
from step import Step

with DAG(
    dag_id="readmission_ingest",
    schedule=timedelta(minutes=conf.getfloat(SECTION, "ingest_minutes", fallback=10)),
    doc_md=__doc__,
    tags=["readmission", "data"],
    params={
        "batch": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            title="Batch",
            description="Number of the batch in the source. If empty, it is the next one that is missing.",
        )
    },
    **COMMON,
):
    Step(
        task_id="ingest",
        arguments=["{{ '--batch=%d' % params.batch if params.batch else '--next' }}"],
        outlets=[RAW],
    )

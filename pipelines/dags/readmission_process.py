"""Turn new raw batches into clean ones.

**What** — types, missing values, diagnosis chapters; deaths and hospice left out; split by patient.

**In** — raw batches that are not clean yet. **Out** — `clean.encounters`, `clean.batches`, a Parquet snapshot with
its hash in the object store; the asset `readmission_clean`, on which `readmission_train` starts.

**When it fails** — the last line of the task's log says why. A batch is clean as a whole or not at all; clear the
task to go on with the batches that are missing.
"""

from airflow.sdk import DAG
from house import CLEAN, COMMON, RAW
from step import Step

with DAG(
    dag_id="readmission_process",
    schedule=[RAW],
    doc_md=__doc__,
    tags=["readmission", "data"],
    **COMMON,
):
    Step(task_id="process", outlets=[CLEAN])

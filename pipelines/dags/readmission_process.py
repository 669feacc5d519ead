"""Turn new raw batches into clean ones.

**What** — it sets types, missing values and diagnosis chapters, leaves out deaths and hospice, and splits by patient.

**In** — raw batches that are not clean yet. **Out** — `clean.encounters`, `clean.batches`, a Parquet snapshot with
its hash in the object store, and the asset `readmission_clean`, which starts `readmission_train`.

**When it fails** — the last line of the task's log gives the reason. A batch is clean as a whole or not at all. Clear
the task to continue with the batches that are missing.
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

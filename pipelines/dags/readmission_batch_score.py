"""Score the clean table, or a file, with the champion.

**In** — `clean.encounters` or a csv of the contract (param `file`), the champion. **Out** — `serving.scores`: one row
an encounter and model version.

Starts when a champion has been put into service, and by hand.

**When it fails** — the last line of the task's log says why; clear the task. Scores of the same version are replaced,
never doubled.
"""

from airflow.sdk import DAG, Param
from house import CHAMPION, COMMON
from step import Step

with DAG(
    dag_id="readmission_batch_score",
    schedule=[CHAMPION],
    doc_md=__doc__,
    tags=["readmission", "model"],
    params={
        "file": Param(
            None,
            type=["null", "string"],
            title="File",
            description="Path or URL of a csv to score; empty: the clean table.",
        )
    },
    **COMMON,
):
    Step(task_id="score", arguments=["{{ '--file=' + params.file if params.file else '' }}"])

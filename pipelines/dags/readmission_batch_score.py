"""Score the clean table, or a file, with the champion.

**In** — the champion and the clean snapshots (the parameter `batch` selects one). **Out** — `serving.scores`, a row
for each encounter and model version. With the parameters `file` and `out`, it reads a csv of raw columns and writes it
with scores. Both are paths as the step sees them: on this machine, or on a volume that its pod mounts.

It starts when a champion has been put into service, and by hand.

**When it fails** — the last line of the task's log gives the reason. Clear the task. Scores of the same version are
replaced, never duplicated.
"""

from airflow.sdk import DAG, Param
from house import ASKED_BY, CHAMPION, COMMON
from step import Step

with DAG(
    dag_id="readmission_batch_score",
    schedule=[CHAMPION],
    doc_md=__doc__,
    tags=["readmission", "model"],
    params={
        "batch": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            title="Batch",
            description="Clean batch to score. If empty, all are scored.",
        ),
        "file": Param(
            None, type=["null", "string"], title="File", description="csv to score instead of the clean table."
        ),
        "out": Param(None, type=["null", "string"], title="Out", description="Where to write the scored csv."),
    },
    **COMMON,
):
    Step(
        task_id="score",
        arguments=[
            "{{ '--batch=%d' % params.batch if params.batch else '' }}",
            "{{ '--file=' + params.file if params.file else '' }}",
            "{{ '--out=' + params.out if params.out else '' }}",
            ASKED_BY,
        ],
    )

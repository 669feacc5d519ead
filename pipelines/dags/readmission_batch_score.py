"""Score the clean table, or a file, with the champion.

**In** — the clean snapshots (param `batch`: one of them), the champion. **Out** — `serving.scores`: a row an encounter
and model version. Or params `file` and `out`: a csv of raw columns in, the same with scores out (paths as the step
sees them: of this machine, or of a volume that its pod has).

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
        "batch": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            title="Batch",
            description="Clean batch to score; empty: all.",
        ),
        "file": Param(None, type=["null", "string"], title="File", description="csv to score instead of the table."),
        "out": Param(None, type=["null", "string"], title="Out", description="Where the scored csv goes."),
    },
    **COMMON,
):
    Step(
        task_id="score",
        arguments=[
            "{{ '--batch=%d' % params.batch if params.batch else '' }}",
            "{{ '--file=' + params.file if params.file else '' }}",
            "{{ '--out=' + params.out if params.out else '' }}",
        ],
    )

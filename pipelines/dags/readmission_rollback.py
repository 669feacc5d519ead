"""Return to the champion before this one, by hand: a person has seen that the new model does harm.

**What** — `rollback` gives the alias `champion` to the version that the present one replaced, or to the one named by
the param `to`; `reload` tells the API, and ends when every replica answers with it.

**In** — the registry, `training.promotions`. **Out** — the alias, an audit row with the reason; the asset
`readmission_champion`, on which `readmission_batch_score` starts.

**When it fails** — the last line of the task's log says why. `rollback` is not repeated by itself, since twice goes two
versions back: look at MLflow, then clear the task.
"""

from airflow.sdk import DAG, Param
from house import CHAMPION, COMMON
from step import Step

with DAG(
    dag_id="readmission_rollback",
    schedule=None,
    doc_md=__doc__,
    tags=["readmission", "model"],
    params={
        "why": Param("", type="string", title="Why", description="The reason, for the audit table."),
        "to": Param("", type="string", title="Version", description="Empty: the one that the champion replaced."),
    },
    **COMMON,
):
    rollback = Step(
        task_id="rollback",
        arguments=[
            "{{ '--why=' ~ params.why if params.why else '' }}",
            "{{ '--to=' ~ params.to if params.to else '' }}",
        ],
        retries=0,
    )
    reload = Step(task_id="reload", outlets=[CHAMPION])
    rollback >> reload

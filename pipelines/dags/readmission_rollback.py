"""Return to the previous champion, by hand: a person has seen that the new model does harm.

**What** — `rollback` moves the alias `champion` to the version that the current one replaced, or to the version in the
parameter `to`. `reload` notifies the API and ends when every replica answers with that version.

**In** — the registry, `training.promotions`. **Out** — the alias, a row in the ledger with the reason, and the asset
`readmission_champion`, which starts `readmission_batch_score`.

**When it fails** — the last line of the task's log gives the reason. `rollback` is not retried automatically, because a
second run would go back one more version. Check MLflow, then clear the task.
"""

from airflow.sdk import DAG, Param
from house import CHAMPION, COMMON, DECIDED_BY
from step import Step

with DAG(
    dag_id="readmission_rollback",
    schedule=None,
    doc_md=__doc__,
    tags=["readmission", "model"],
    params={
        "why": Param("", type="string", title="Why", description="The reason, for the ledger."),
        "to": Param(
            "",
            type="string",
            title="Version",
            description="Version to return to. If empty, it is the one that the champion replaced.",
        ),
    },
    **COMMON,
):
    rollback = Step(
        task_id="rollback",
        arguments=[
            DECIDED_BY,
            "{{ '--why=' ~ params.why if params.why else '' }}",
            "{{ '--to=' ~ params.to if params.to else '' }}",
        ],
        retries=0,
    )
    reload = Step(task_id="reload", outlets=[CHAMPION])
    rollback >> reload

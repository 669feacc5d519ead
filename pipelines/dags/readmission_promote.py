"""Put the best candidate into service, if it is better and a person agrees (where that is asked).

**What** — `promote`: the gate compares the candidates with the champion on the validation patients, refuses a leak, a
badly calibrated model, and one that does not answer the golden rows; the winner becomes `champion` and `Production`.
`reload`: the API is told, and the task ends when every replica answers with the new version.

**In** — the candidates of the newest clean data. **Out** — the alias in MLflow, an audit row in
`training.promotions`; the asset `readmission_champion`, on which `readmission_batch_score` starts.

**Approval** — with `[readmission] approval = true`, `approve` waits for a person (*Required Actions*, or
`PATCH /api/v2/dags/readmission_promote/dagRuns/RUN/taskInstances/approve/-1/hitlDetails` with
`{"chosen_options": ["Approve"]}`). *Reject* leaves the champion as it is. The param `approval` goes before the setting.

**When it fails** — `promote`: the last line of its log says which check refused; the old champion serves on.
`reload`: the champion is set, some replica does not answer with it; look at the API's log, then clear the task.
To go back: `readmission rollback`.
"""

from datetime import timedelta

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, Param
from airflow.sdk.exceptions import AirflowSkipException
from house import APPROVAL, CANDIDATES, CHAMPION, COMMON
from step import Step


def skip_unless_asked(context):
    """Go on without a person when neither the setting nor this run asks for one."""
    if not context["params"]["approval"]:
        raise AirflowSkipException("promotion is automatic")


with DAG(
    dag_id="readmission_promote",
    schedule=[CANDIDATES],
    doc_md=__doc__,
    tags=["readmission", "model"],
    params={
        "approval": Param(APPROVAL, type="boolean", title="Approval", description="Wait for a person before promoting.")
    },
    **COMMON,
):
    approve = ApprovalOperator(
        task_id="approve",
        subject="Promote the best model of this training?",
        body="The candidates and their metrics are in MLflow, experiment `diabetes_readmission`. The gate still has to"
        " agree: it refuses a model that is not better than the champion.",
        response_timeout=timedelta(days=3),
        pre_execute=skip_unless_asked,
    )
    promote = Step(task_id="promote", trigger_rule="none_failed")
    reload = Step(task_id="reload", outlets=[CHAMPION])
    approve >> promote >> reload

"""Put the best candidate into service if it passes the gates and, where approval is required, a person agrees.

**What** — `promote`: the gates compare the candidates with the champion on the validation patients. They refuse a leak,
a badly calibrated model, and one that does not answer the golden rows. The winner becomes `champion` and `Production`.
`reload`: the API is notified, and the task ends when every replica answers with the new version.

**In** — the candidates of the newest clean data. **Out** — the alias in MLflow, a row in the ledger
`training.promotions`, and the asset `readmission_champion`, which starts `readmission_batch_score`.

**Approval** — with `[readmission] approval = true`, `approve` waits for a person (*Required Actions*, or
`PATCH /api/v2/dags/readmission_promote/dagRuns/RUN/taskInstances/approve/-1/hitlDetails` with
`{"chosen_options": ["Approve"]}`). *Reject* leaves the champion as it is. The run parameter `approval`
overrides the setting.

**When it fails** — `promote`: the last line of its log names the gate that refused, and the old champion keeps serving.
`reload`: the champion is set, but some replica does not answer with it. Read the API's log, then clear the task.
To return to the previous champion, run `readmission rollback`.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, Param
from airflow.sdk.exceptions import AirflowSkipException
from house import APPROVAL, CANDIDATES, CHAMPION, COMMON
from step import Step

if TYPE_CHECKING:
    from airflow.sdk import Context


def skip_unless_required(context: "Context") -> None:
    """Continue without approval unless the setting or this run requires it."""
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
        pre_execute=skip_unless_required,
    )
    promote = Step(task_id="promote", trigger_rule="none_failed")
    reload = Step(task_id="reload", outlets=[CHAMPION])
    approve >> promote >> reload

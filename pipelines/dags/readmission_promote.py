"""Put the best candidate into service if it passes the gates and, where approval is required, a person agrees.

**What** — `judge`: the gates compare the candidates with the champion on all patients. They refuse a leak,
a badly calibrated model, and one that does not answer the golden rows. If none passes and there is a champion, the rest
is skipped. `promote`: the candidate that was judged, and no other, is checked again and becomes `champion`.
`reload`: the API is notified, and the task ends when every replica answers with the new version.

**In** — the candidates of the newest clean data. **Out** — the alias in MLflow, a row in the ledger
`training.promotions`, and the asset `readmission_champion`, which starts `readmission_batch_score`.

**Approval** — with `[readmission] approval = true`, `approve` shows the candidate's figures and waits for a person
(*Required Actions*, or
`PATCH /api/v2/dags/readmission_promote/dagRuns/RUN/taskInstances/approve/-1/hitlDetails` with
`{"chosen_options": ["Approve"]}`). *Reject* leaves the champion as it is. The run parameter `approval`
overrides the setting. The ledger names the person. Without an answer within three days the run fails, and nobody is
asked again.

**When it fails** — `judge` or `promote`: the last line of the log names the gate that refused, and the old champion
keeps serving. A candidate that no longer passes, because another became champion meanwhile, is refused.
`reload`: the champion is set, but some replica does not answer with it. Read the API's log, then clear the task.
To return to the previous champion, run `readmission rollback`.
"""

from airflow.sdk import DAG
from house import APPROVAL_PARAM, CANDIDATE, CANDIDATES, CHAMPION, COMMON, DECIDED_BY, ask_for_approval, pass_on
from step import Step

with DAG(
    dag_id="readmission_promote",
    schedule=[CANDIDATES],
    doc_md=__doc__,
    tags=["readmission", "model"],
    params={"approval": APPROVAL_PARAM},
    **COMMON,
):
    judge = Step(task_id="judge")
    approve = ask_for_approval()
    promote = Step(task_id="promote", trigger_rule="none_failed_min_one_success", arguments=[CANDIDATE, DECIDED_BY])
    reload = Step(task_id="reload", outlets=[CHAMPION], pre_execute=pass_on(CHAMPION, "judge", "promote"))
    judge >> approve >> promote >> reload
    judge >> promote

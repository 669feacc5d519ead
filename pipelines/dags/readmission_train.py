"""Train every model family on all clean batches, each in a task of its own.

**In** — the clean snapshots. It starts when a batch is clean, and when `readmission_monitor` decides to train again.
**Out** — for each family a run in MLflow and a row in `training.runs`; the asset `readmission_candidates`, which
starts `readmission_promote`.

**A family that fails** does not stop the others. As soon as all have ended and one has succeeded, promotion continues
and names the missing ones.

**At the same time** — the pool `readmission_training` bounds the families that are trained at once, over all runs.

**When it fails** — the last line of the family's log gives the reason. Clear only that task. A family is not trained
again on the same data by the same code.
"""

from typing import TYPE_CHECKING, cast

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param
from airflow.sdk.exceptions import AirflowSkipException
from house import CANDIDATES, CLEAN, COMMON, FAMILIES, RETRAIN, TRAINING, pass_on
from step import Step

if TYPE_CHECKING:
    from airflow.sdk import Context


def skip_unless_selected(context: "Context") -> None:
    """Skip a family that is not selected for this run."""
    family = cast(Step, context["task"]).arguments[1]
    if family not in context["params"]["families"]:
        raise AirflowSkipException(f"{family} is not among the families of this run")


with DAG(
    dag_id="readmission_train",
    schedule=CLEAN | RETRAIN,
    doc_md=__doc__,
    tags=["readmission", "model"],
    params={
        "families": Param(
            FAMILIES,
            type="array",
            items={"type": "string", "enum": FAMILIES},
            minItems=1,
            examples=FAMILIES,
            title="Families",
            description="Which model families to train.",
        ),
        "batch_up_to": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            title="Up to batch",
            description="Last batch to train on. If empty, all are used.",
        ),
    },
    **COMMON,
):
    train = Step.partial(
        task_id="train",
        pre_execute=skip_unless_selected,
        pool=TRAINING,
        map_index_template="{{ task.arguments[1] }}",
    ).expand(
        arguments=[
            ["--models", family, "{{ '--batch-up-to=%d' % params.batch_up_to if params.batch_up_to else '' }}"]
            for family in FAMILIES
        ]
    )
    # Two tasks for "all have ended, one has succeeded": all_done_min_one_success skips as soon as a family is skipped.
    ended = EmptyOperator(task_id="ended", trigger_rule="all_done")
    one_trained = EmptyOperator(task_id="one_trained", trigger_rule="one_success")
    candidates = EmptyOperator(task_id="candidates", outlets=[CANDIDATES], pre_execute=pass_on(CANDIDATES, "train"))
    train >> [ended, one_trained] >> candidates

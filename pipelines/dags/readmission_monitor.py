"""Measure drift and live quality, and decide whether to train again.

**What** — `monitor` measures the drift of new clean batches and of recent predictions. `outcomes` joins observed
outcomes to predictions. `retrain` decides by rule whether to train again, and records its reasons.

**In** — the clean snapshots, the prediction log, outcomes. **Out** — the schema `monitoring`, HTML reports in MLflow,
and the asset `readmission_retrain`, which starts `readmission_train`. Only the gates of `promote` decide which model
then serves.

It starts with each new clean batch, and once a day for the predictions.

**When it fails** — the last line of the task's log gives the reason. Clear the task. A report replaces the previous one
of the same subject. Serving does not depend on it.
"""

from airflow.sdk import DAG, AssetOrTimeSchedule
from house import CLEAN, COMMON, RETRAIN, daily
from step import Step

with DAG(
    dag_id="readmission_monitor",
    schedule=AssetOrTimeSchedule(timetable=daily("15 5 * * *"), assets=[CLEAN]),
    doc_md=__doc__,
    tags=["readmission", "monitoring"],
    **COMMON,
):
    monitor = Step(task_id="monitor")
    outcomes = Step(task_id="outcomes")
    # It decides even if a measurement failed or had no new data: then the figures of the last one are in force.
    retrain = Step(task_id="retrain", trigger_rule="all_done", outlets=[RETRAIN])
    [monitor, outcomes] >> retrain

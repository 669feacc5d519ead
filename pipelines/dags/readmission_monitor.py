"""Look for drift and at live quality, and decide whether to train again.

**What** — `monitor` measures the drift of new clean batches and of recent predictions; `outcomes` joins what became of
the patients to what was predicted; `retrain` decides by rule whether to train again, and records why or why not.

**In** — the clean snapshots, the prediction log, outcomes. **Out** — the schema `monitoring`, HTML reports in MLflow;
the asset `readmission_retrain`, on which `readmission_train` starts. What serves then, the gate of `promote`
decides alone.

Starts with each new clean batch, and once a day for the predictions.

**When it fails** — the last line of the task's log says why; clear the task. A report replaces the one of the same
subject. Nothing that serves depends on it.
"""

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable
from house import CLEAN, COMMON, RETRAIN
from step import Step

with DAG(
    dag_id="readmission_monitor",
    schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable("15 5 * * *", timezone="UTC"), assets=[CLEAN]),
    doc_md=__doc__,
    tags=["readmission", "monitoring"],
    **COMMON,
):
    monitor = Step(task_id="monitor")
    outcomes = Step(task_id="outcomes")
    # It decides on what is known: a look that failed or found nothing new leaves the figures of the last one.
    retrain = Step(task_id="retrain", trigger_rule="all_done", outlets=[RETRAIN])
    [monitor, outcomes] >> retrain

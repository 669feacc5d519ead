"""`readmission_train` by Airflow itself: what follows when families were deselected or failed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from readmission.embedded.airflow import TRAINING_POOL
from readmission.embedded.dags import scratch
from tests.conftest import make_settings

from .conftest import dags

#: Stands in for `readmission`: training succeeds, except that of one family.
COMMAND = """#!{python}
import sys
sys.exit("out of memory" if "decision_tree" in sys.argv else 0)
"""
#: Prints the state of `candidates` after one training for each list of families.
TRAINING = """
import json, sys
from airflow.dag_processing.dagbag import BundleDagBag
from readmission.embedded.airflow import DAGS
bag = BundleDagBag(dag_folder=DAGS, bundle_path=DAGS, bundle_name="dags-folder")
for families in json.loads(sys.argv[1]):
    run = bag.dags["readmission_train"].test(run_conf={"families": families})
    print("candidates:", next(task.state for task in run.get_task_instances() if task.task_id == "candidates"))
"""


def test_promotion_follows_if_one_of_the_selected_families_was_trained(tmp_path: Path) -> None:
    command = tmp_path / "readmission"
    command.write_text(COMMAND.format(python=sys.executable))
    command.chmod(0o755)
    environment = os.environ | scratch(make_settings(tmp_path / "home"))
    environment |= {"AIRFLOW__READMISSION__COMMAND": str(command), "AIRFLOW__READMISSION__RETRIES": "0"}
    arguments = [sys.executable, "-c", TRAINING, json.dumps([["lightgbm", "decision_tree"], ["decision_tree"]])]
    ended = subprocess.run(arguments, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert re.findall("^candidates: (.*)$", ended.stdout, re.M) == ["success", "upstream_failed"], ended.stdout


def test_every_training_is_in_the_pool_and_one_of_all_families_takes_it_whole() -> None:
    with dags(runtime="local", train_parallel="3") as by_id:
        trainings = {
            (dag_id, task.pool, task.pool_slots)
            for dag_id, dag in by_id.items()
            for task in dag.tasks
            if task.task_id == "train"
        }
    assert trainings == {("readmission_train", TRAINING_POOL, 1), ("readmission_backfill", TRAINING_POOL, 3)}

"""A new step is its file, a line of the registry and a line of a DAG: done here in copies of package and DAGs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .conftest import DAGS

PACKAGE = DAGS.parent / "readmission"
STEP = '''"""Greet."""

from readmission.settings import Settings


def run(settings: Settings) -> None:
    """Greet whoever runs this step."""
    print("hello from", settings.mlflow.model_name)
'''
REGISTRY_LINE = '    "greet": ("readmission.steps.greet", "Greet."),\n'
DAG_LINE = '    process = Step(task_id="process")\n    process >> Step(task_id="greet")\n'
LOAD = """
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(dag_folder={folder!r})
assert bag.import_errors == {{}}, bag.import_errors
print(*bag.dags["readmission_process"].task_ids)
"""


def run_python(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], env=os.environ | environment, capture_output=True, text=True, cwd="/"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def insert_before(path: Path, anchor: str, line: str) -> None:
    text = path.read_text()
    assert text.count(anchor) == 1
    path.write_text(text.replace(anchor, line + anchor))


def test_a_new_step_is_its_file_and_a_line_of_the_registry(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "readmission", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "readmission" / "steps" / "greet.py").write_text(STEP)
    insert_before(tmp_path / "readmission" / "cli.py", '    "process": ("readmission.steps', REGISTRY_LINE)
    environment = {"PYTHONPATH": str(tmp_path), "READMISSION_HOME": str(tmp_path / "home")}
    assert "greet" in run_python("-m", "readmission.cli", "--help", **environment)
    assert "Greet whoever" in run_python("-m", "readmission.cli", "greet", "--help", **environment)
    assert "hello from" in run_python("-m", "readmission.cli", "greet", **environment)


def test_a_new_step_runs_in_a_dag_by_one_line_and_its_entry_of_steps_json(tmp_path: Path) -> None:
    folder = tmp_path / "dags"
    shutil.copytree(DAGS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    steps = json.loads((folder / "steps.json").read_text())
    steps["greet"] = steps["process"]
    (folder / "steps.json").write_text(json.dumps(steps))
    path = folder / "readmission_process.py"
    line = '    process = Step(task_id="process")\n'
    assert path.read_text().count(line) == 1
    path.write_text(path.read_text().replace(line, DAG_LINE))
    tasks = run_python(
        "-c", LOAD.format(folder=str(folder)), PYTHONPATH=str(folder), AIRFLOW__CORE__LOAD_EXAMPLES="False"
    )
    assert {"process", "greet"} <= set(tasks.split())

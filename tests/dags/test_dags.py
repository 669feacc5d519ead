"""What every DAG of the folder has: it loads, quickly, says what it does, and its tasks are verbs of the CLI."""

import ast
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from readmission import cli, models

from .conftest import DAGS, FILES, configured, dags

RUNTIMES = ("local", "kubernetes")
#: Tasks that are Airflow's own, not steps: a person's answer, and the signs that all families have ended and that a
#: batch is clean.
NO_STEPS = {"approve", "candidates", "clean", "ended", "one_trained", "scored"}
#: Verbs of `readmission.steps` that no DAG runs: done once by whoever installs, or by a person in need.
BY_HAND = {"migrate", "settings", "report", "evaluate", "search", "simulate-drift", "simulate-gates", "compare"}
#: Verbs of other rooms that are tasks.
OTHERS = {"sign"}
#: Verbs that run for as long as the system does.
SERVICES = {"exporter"}


class Answered:
    """Stands in for a task instance whose run a person has approved, or nobody was asked."""

    def __init__(self, name: str = "") -> None:
        self._answer = {"responded_by_user": {"id": "1", "name": name}} if name else None

    def xcom_pull(self, task_ids: str, key: str = "return_value") -> Any:
        if task_ids == "approve":
            return self._answer
        assert (task_ids, key) == ("judge", "result")
        return {"run_id": "a1", "family": "lightgbm", "batches": "1-3", "text": "ROC-AUC 0.68"}


def steps(dag: Any) -> list[Any]:
    return [task for task in dag.tasks if task.task_id not in NO_STEPS]


def test_a_file_is_a_dag_of_its_name() -> None:
    for runtime in RUNTIMES:
        with dags(runtime=runtime) as by_id:
            assert set(by_id) == {path.stem for path in FILES}


def test_a_runtime_that_is_none_is_named() -> None:
    with (
        pytest.raises(Exception, match="runtime is 'docker'; it must be kubernetes or local"),
        configured(runtime="docker"),
    ):
        pass


@pytest.mark.parametrize("path", sorted(DAGS.glob("*.py")), ids=lambda path: path.stem)
def test_a_file_imports_airflow_and_the_standard_library_only(path: Path) -> None:
    allowed = {*sys.stdlib_module_names, "airflow", "house", "step"}
    tree = ast.parse(path.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= allowed
    # What is called while a file is read must not wait for anything: no connection, no variable of the database.
    calls = {node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and hasattr(node.func, "attr")}
    assert not calls & {"get_connection", "get_variable", "connect"}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_each_file_is_read_in_less_than_a_second(runtime: str, tmp_path: Path) -> None:
    """As the dag processor does it: Airflow's modules are there, the file is read in a process of its own."""
    program = textwrap.dedent(
        f"""
        import json, os, sys, time
        from airflow.dag_processing.dagbag import DagBag
        from airflow.utils.file import iter_airflow_imports
        sys.path.insert(0, {str(DAGS)!r})
        files = {[str(path) for path in (*FILES, DAGS / "preload_kubernetes.py")]}
        for path in files:
            for module in iter_airflow_imports(path):
                if {runtime!r} == "kubernetes" or "kubernetes" not in module:
                    __import__(module)
        for path in files[:-1]:
            if (pid := os.fork()) == 0:
                # CPU time: other work on the machine does not count.
                began = time.process_time()
                bag = DagBag(dag_folder=path)
                print(json.dumps([path, time.process_time() - began, len(bag.dags)]), flush=True)
                os._exit(0)
            os.waitpid(pid, 0)
        """
    )
    environment = os.environ | {"AIRFLOW__READMISSION__RUNTIME": runtime, "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    read = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("[")]
    assert len(read) == len(FILES)
    for path, seconds, count in read:
        assert count == 1, path
        assert seconds < 1, (path, seconds)


def test_every_dag_is_documented_and_safe_to_leave_alone() -> None:
    with dags(runtime="local") as by_id:
        for dag in by_id.values():
            for word in ("**In**", "**Out**", "**When it fails**"):
                assert word in dag.doc_md, (dag.dag_id, word)
            assert "readmission" in dag.tags and len(dag.tags) > 1
            assert dag.max_active_runs == 1
            assert dag.catchup is False
            for task in dag.tasks:
                assert task.owner == "data-team"
                # A roll-back that was lost may have been done: once more would go one version further. A person who did
                # not answer is not asked again.
                assert (task.retries >= 1) is (
                    task.task_id not in {"rollback", "approve"}
                ) and task.retry_exponential_backoff
                assert task.on_failure_callback
            for task in steps(dag):
                unmapped = task.unmap({"arguments": []}) if task.is_mapped else task
                assert unmapped.execution_timeout is not None, task
            for name in dag.params:
                param = dag.params.get_param(name)
                assert {"type", "title"} <= set(param.schema) and param.description, (dag.dag_id, name)


def test_tasks_are_verbs_and_verbs_are_tasks() -> None:
    with dags(runtime="local") as by_id:
        tasks = {task.task_id for dag in by_id.values() for task in steps(dag)}
        others = {task.task_id for dag in by_id.values() for task in dag.tasks} - tasks
    verbs = {verb for verb, (module, _) in cli.VERBS.items() if module.startswith("readmission.steps.")}
    assert tasks == verbs - BY_HAND - SERVICES | OTHERS and cli.VERBS.keys() >= OTHERS
    assert others == NO_STEPS


@pytest.mark.parametrize(
    "chosen", [{}, {"batch": 3, "batch_up_to": 2, "file": "x.csv", "out": "y.csv", "each_batch": True}]
)
def test_the_command_line_takes_the_arguments_that_the_dags_give(chosen: dict[str, Any]) -> None:
    import typer

    group = typer.main.get_command(cli.app)
    assert isinstance(group, cli.Verbs)
    with dags(runtime="local") as by_id, configured(runtime="local") as operator:
        for dag in by_id.values():
            params = {name: dag.params[name] for name in dag.params}
            params |= {name: value for name, value in chosen.items() if name in params}
            for task in steps(dag):
                lists = task.expand_input.value["arguments"] if task.is_mapped else [task.arguments]
                for arguments in lists:
                    values = {
                        "params": params,
                        "ti": Answered(),
                        "dag_run": SimpleNamespace(triggering_user_name="eve"),
                    }
                    rendered = [dag.get_template_env().from_string(a).render(values) for a in arguments]
                    command = group.get_command(None, task.task_id)
                    assert command is not None, task.task_id
                    command.make_context(task.task_id, operator._without_empty(rendered))


@pytest.mark.parametrize("dag_id", ["readmission_promote", "readmission_backfill"])
def test_who_promotes_asks_where_approval_is_required_and_names_the_person(dag_id: str) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    with dags(runtime="local", approval="true") as by_id:
        dag = by_id[dag_id]
        approve, promote = dag.get_task("approve"), dag.get_task("promote")
        assert dag.params["approval"] is True
        # Skipped with the judgement, and run without a person where none is asked.
        assert promote.upstream_task_ids == {"approve", "judge"}
        assert promote.trigger_rule == "none_failed_min_one_success" and approve.upstream_task_ids == {"judge"}
        render = dag.get_template_env().from_string
        assert render(promote.arguments[0]).render(ti=Answered()) == "--run-id=a1"
        assert render(approve.subject).render(ti=Answered()) == "Promote lightgbm of batches 1-3?"
        assert render(approve.body).render(ti=Answered()) == "ROC-AUC 0.68"
        assert approve._pre_execute_hook({"params": {"approval": True}}) is None
        with pytest.raises(AirflowSkipException):
            approve._pre_execute_hook({"params": {"approval": False}})
        template = dag.get_template_env().from_string(promote.arguments[1])
        started, alone = SimpleNamespace(triggering_user_name="eve"), SimpleNamespace(triggering_user_name=None)
        assert template.render(ti=Answered("Dr. Ada"), dag_run=started) == "--by=Dr. Ada"
        assert template.render(ti=Answered(), dag_run=started) == "--by=eve"
        assert template.render(ti=Answered(), dag_run=alone) == "--by=airflow"


def test_the_families_are_the_packages() -> None:
    with configured(runtime="local"):
        assert list(models.FAMILIES) == sys.modules["house"].FAMILIES


def names(condition: Any) -> list[Any]:
    """Return the assets below `all of` and `any of`."""
    return [a for part in condition.objects for a in names(part)] if hasattr(condition, "objects") else [condition]


def test_what_flows_from_dag_to_dag() -> None:
    with dags(runtime="local") as by_id:
        waits = {
            dag.dag_id: {asset.name for asset in names(dag.timetable.asset_condition)}
            for dag in by_id.values()
            if getattr(dag.timetable, "asset_condition", None)
        }
        tells = {dag.dag_id: {a.name for task in dag.tasks for a in task.outlets} for dag in by_id.values()}
    assert waits == {
        "readmission_process": {"readmission_raw"},
        "readmission_train": {"readmission_clean", "readmission_retrain"},
        "readmission_monitor": {"readmission_clean"},
        "readmission_promote": {"readmission_candidates"},
        "readmission_batch_score": {"readmission_champion"},
    }
    for dag_id, assets in waits.items():
        assert assets <= set().union(*(assets_out for other, assets_out in tells.items() if other != dag_id)), dag_id


def test_a_batch_is_scored_before_anything_is_trained_on_it_and_no_end_of_the_score_stops_it() -> None:
    """Without a champion the score is skipped; `clean` must still run, or no first model would ever be trained."""
    names = ("process", "score", "scored", "clean")
    with dags(runtime="local") as by_id:
        process, score, scored, clean = (by_id["readmission_process"].get_task(name) for name in names)
    assert score.upstream_task_ids == {"process"} and score.arguments[0] == "--new"
    assert scored.upstream_task_ids == {"score"} and scored.trigger_rule == "all_done"
    assert clean.upstream_task_ids == {"process", "scored"} and clean.trigger_rule == "all_success"
    assert [asset.name for asset in clean.outlets] == ["readmission_clean"] and not process.outlets + score.outlets


def test_params_are_checked() -> None:
    from airflow.sdk.exceptions import ParamValidationError

    with dags(runtime="local") as by_id:
        params = by_id["readmission_train"].params
        for name, wrong in [("families", ["perceptron"]), ("families", []), ("batch_up_to", 0)]:
            with pytest.raises(ParamValidationError):
                params.get_param(name).resolve(wrong)
        assert params.get_param("families").resolve(["lightgbm"]) == ["lightgbm"]

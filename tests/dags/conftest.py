"""The DAGs as Airflow reads them, in either runtime."""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

#: Outlet of the tasks that tests run.
RAW = "an asset"
DAGS = Path(__file__).parents[2] / "pipelines" / "dags"
FILES = sorted(DAGS.glob("readmission_*.py"))


@pytest.fixture(scope="session", autouse=True)
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Airflow reads its configuration when it is first imported: a home of the tests' own before that."""
    patch = pytest.MonkeyPatch()
    patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
    patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    patch.setenv("AIRFLOW__READMISSION__IMAGE", "registry.example/pipeline:0.1.0")
    patch.syspath_prepend(str(DAGS))
    yield
    patch.undo()


@contextlib.contextmanager
def configured(**options: str) -> Iterator[ModuleType]:
    """Give the operator's module, loaded anew under some `[readmission]` settings."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in options.items():
            patch.setenv(f"AIRFLOW__READMISSION__{name.upper()}", value)
        for name in ("house", "step"):
            sys.modules.pop(name, None)
        yield importlib.import_module("step")
    for name in ("house", "step"):
        sys.modules.pop(name, None)


@contextlib.contextmanager
def dags(**options: str) -> Iterator[dict[str, Any]]:
    """Give the DAGs by id as Airflow loads them under some `[readmission]` settings."""
    from airflow.dag_processing.dagbag import DagBag

    with configured(**options):
        bag = DagBag(dag_folder=str(DAGS))
        assert bag.import_errors == {}
        yield bag.dags


def attempt(task_id: str, number: int = 1) -> dict[str, Any]:
    """Return the context of one attempt; what the task pushes and tells of its asset stays in it."""
    ti = SimpleNamespace(task_id=task_id, try_number=number, pushed={})
    ti.xcom_push = lambda key, value: ti.pushed.update({key: value})
    return {"ti": ti, "outlet_events": {RAW: SimpleNamespace(extra={})}}

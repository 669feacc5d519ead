"""The DAGs as Airflow reads them, in either runtime."""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

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

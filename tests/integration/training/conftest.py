"""Fixtures of the tests of training: a real Postgres and a real MLflow server."""

import uuid
from pathlib import Path
from typing import Any

import pytest

from readmission.settings import Settings
from readmission.steps import ingest, process
from readmission.stores import postgres


@pytest.fixture
def system(database: Settings, mlflow_server: str) -> Settings:
    """Give a database of the test's own and names of its own in the MLflow that all share."""
    mine = uuid.uuid4().hex[:8]
    return database.replace(mlflow_uri=mlflow_server, experiment=f"test_{mine}", model_name=f"model_{mine}")


def query(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def clean(settings: Settings, source: Path, batch: int | None = None, batch_size: int = 1000) -> Settings:
    """Ingest one batch, or all, and process."""
    config = settings.replace(source=str(source), batch_size=batch_size)
    ingest.run(config, batch=batch, every=batch is None)
    process.run(config)
    return config

"""A system of one clean batch, with names of its own in the MLflow that all tests share."""

import uuid
from pathlib import Path

import pytest

from readmission.settings import Settings
from readmission.steps import ingest, process


@pytest.fixture
def system(database: Settings, mlflow_server: str, sample: Path) -> Settings:
    """Give a database of the test's own with one clean batch of two."""
    mine = uuid.uuid4().hex[:8]
    settings = database.replace(
        mlflow_uri=mlflow_server,
        experiment=f"test_{mine}",
        model_name=f"model_{mine}",
        source=str(sample),
        batch_size=1000,
    )
    ingest.run(settings, batch=1)
    process.run(settings)
    return settings

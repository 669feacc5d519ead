"""Fixtures of the tests of monitoring: a registered model whose alias a test can move."""

import uuid
from collections.abc import Iterator

import pytest
from mlflow.tracking import MlflowClient

from readmission.settings import Settings


@pytest.fixture
def registered(database: Settings, mlflow_server: str) -> Iterator[Settings]:
    """Give settings of a registered model of the test's own, with versions 1 and 2 and no alias."""
    config = database.replace(mlflow_uri=mlflow_server, model_name=f"test_{uuid.uuid4().hex[:8]}")
    client = MlflowClient(mlflow_server)
    client.create_registered_model(config.mlflow.model_name)
    experiment = client.create_experiment(config.mlflow.model_name)
    for _ in range(2):
        run_id = client.create_run(experiment).info.run_id
        client.create_model_version(config.mlflow.model_name, f"runs:/{run_id}/model", run_id)
    yield config
    client.delete_registered_model(config.mlflow.model_name)


def move_alias(config: Settings, version: str) -> None:
    """Name a version the champion in MLflow itself, as a person would in its page."""
    MlflowClient(config.mlflow.uri).set_registered_model_alias(config.mlflow.model_name, "champion", version)

"""Fixtures of the tests of monitoring: a registered model, and predictions with their outcomes."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from readmission.settings import Role, Settings
from readmission.stores import postgres


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


def query(config: Settings, text: str, role: Role = "monitor") -> list[tuple[Any, ...]]:
    with postgres.transaction(config, role) as cursor:
        cursor.execute(text)
        return cursor.fetchall()


def promote(config: Settings, last_batch: int = 1) -> None:
    with postgres.transaction(config, "train") as cursor:
        cursor.execute(
            "INSERT INTO training.experiments (run_id, family, first_batch, last_batch, data_sha256, synthetic, seed,"
            " git_sha, metrics) VALUES ('r', 'f', 1, %s, '', true, 7, '', '{\"test_roc_auc_30\": 0.9}')",
            (last_batch,),
        )
        cursor.execute(
            "INSERT INTO training.promotions (decision, model_name, model_version, run_id, family, reasons, decided_by)"
            " VALUES ('promoted', %s, '1', 'r', 'f', '[]', 'test')",
            (config.mlflow.model_name,),
        )


def predict(
    config: Settings, count: int, days_ago: int, request_id: str = "r", version: str = "1", **inputs: object
) -> list[str]:
    rng = np.random.default_rng(count)
    ids = [str(uuid.uuid4()) for _ in range(count)]
    with postgres.transaction(config, "serving") as cursor:
        for name, risk in zip(ids, rng.beta(2, 8, count).tolist(), strict=True):
            cursor.execute(
                "INSERT INTO serving.predictions (prediction_id, predicted_at, model_name, model_version, inputs,"
                " inputs_sha256, prediction, p_no, p_late, p_early, missing, latency_ms, request_id)"
                " VALUES (%s, now() - make_interval(days => %s), %s, %s, %s, '', 'NO', %s, 0, %s, '{}', 1, %s)",
                (
                    name,
                    days_ago,
                    config.mlflow.model_name,
                    version,
                    json.dumps({"gender": "Female"} | inputs),
                    1 - risk,
                    risk,
                    request_id,
                ),
            )
    return ids


def report(config: Settings, ids: list[str]) -> None:
    rng = np.random.default_rng(1)
    with postgres.transaction(config, "serving") as cursor:
        for name in ids:
            cursor.execute(
                "INSERT INTO serving.feedback (prediction_id, outcome, observed_at) VALUES (%s, %s, now())",
                (name, str(rng.choice(["NO", ">30", "<30"], p=[0.5, 0.3, 0.2]))),
            )

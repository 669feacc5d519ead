"""Expected quality of served predictions: in the table and among the metrics, without any outcome."""

import numpy as np
import pytest
from psycopg2.extras import execute_values

from readmission.evaluation import error_rates
from readmission.monitoring import expectations
from readmission.monitoring.collector import DatabaseCollector
from readmission.monitoring.records import ServedModel
from readmission.settings import Settings
from readmission.stores import postgres
from tests.integration.monitoring.conftest import move_alias


def serve(config: Settings, probabilities: np.ndarray, request_id: str) -> None:
    with postgres.transaction(config, "serving") as cursor:
        execute_values(
            cursor,
            "INSERT INTO serving.predictions (prediction_id, predicted_at, model_name, model_version, inputs,"
            " inputs_sha256, prediction, p_no, p_late, p_early, missing, latency_ms, request_id) VALUES %s",
            [(config.mlflow.model_name, *map(float, row), request_id) for row in probabilities],
            template="(gen_random_uuid(), now(), %s, '1', '{}', '', 'NO', %s, %s, %s, '{}', 1, %s)",
        )


def test_expected_quality_needs_no_outcome(registered: Settings) -> None:
    scored, _ = error_rates.draw(20_000, error_rates.perfect, 1)
    champion = ServedModel("1", 1)
    assert expectations.keep(registered, champion) == []
    serve(registered, scored["test"].probabilities, "r-1")
    serve(registered, np.tile([0.98, 0.01, 0.01], (500, 1)), "load-1")
    assert expectations.keep(registered, champion) == ["predictions"]
    assert expectations.keep(registered, champion) == ["predictions"], "a day is written once"
    with postgres.transaction(registered, "monitor") as cursor:
        cursor.execute("SELECT metric, n, value, low, high FROM monitoring.expected_quality")
        rows = {metric: row for metric, *row in cursor.fetchall()}
    assert len(rows) == 5
    n, value, low, high = rows["roc_auc_30"]
    assert n == 3000, "load tests are left out"
    assert low < value < high
    assert value == pytest.approx(0.68, abs=0.03)
    move_alias(registered, "1")
    [family] = [
        metric
        for metric in DatabaseCollector(registered, every=0).collect()
        if metric.name == "readmission_expected_quality"
    ]
    bounds = {(s.labels["metric"], s.labels["bound"]): s.value for s in family.samples}
    assert bounds["roc_auc_30", "low"] == low

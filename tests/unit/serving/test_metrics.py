"""What a worker counts reaches the page at the next flush, once."""

from pathlib import Path

import numpy as np
import pytest
from prometheus_client import REGISTRY

from serving.metrics import LATENCY, Metrics, exposition
from serving.predict.encounter import Problem


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_answers_are_counted_at_the_flush_and_not_twice(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path)
    answered = {"endpoint": "/predict", "method": "POST", "code": "200"}
    before = value("readmission_requests_total", **answered)
    fast = value("readmission_request_duration_seconds_bucket", endpoint="/predict", le=str(LATENCY[0]))
    metrics.answered(0.0005)
    metrics.answered(9.0)
    assert value("readmission_requests_total", **answered) == before
    for _ in range(2):
        metrics.flush()
        assert value("readmission_requests_total", **answered) == before + 2
    assert value("readmission_request_duration_seconds_bucket", endpoint="/predict", le=str(LATENCY[0])) == fast + 1


def test_single_and_many_scores_are_added_up(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path)
    metrics.scored("unit-1", "champion", "<30", 0.3, ["race"])
    metrics.scored_many("unit-1", np.array([0, 2]), np.array([0.01, 0.6]), {("race", "weight"): 2})
    before = value("readmission_missing_fields_total", field="race")
    metrics.flush()
    labels = {"model_version": "unit-1", "variant": "champion"}
    classes = {name: value("readmission_predictions_total", **labels, predicted_class=name) for name in ("NO", "<30")}
    assert classes == {"NO": 1, "<30": 2}
    assert value("readmission_risk_ratio_sum", **labels) == pytest.approx(0.91)
    assert value("readmission_missing_fields_total", field="race") == before + 3


def test_fields_that_do_not_exist_share_a_label(tmp_path: Path) -> None:
    before = value("readmission_validation_failures_total", field="other", problem="unknown")
    Metrics(tmp_path).refused([Problem("patient 4711", "unknown", ""), Problem("x", "unknown", "")])
    assert value("readmission_validation_failures_total", field="other", problem="unknown") == before + 2
    assert b"patient 4711" not in exposition()[0]  # a duration may have these digits

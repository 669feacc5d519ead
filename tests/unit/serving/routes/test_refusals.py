"""The same answer to a refusal on every route."""

import json
from pathlib import Path

from serving.metrics import Metrics
from serving.predict.encounter import Invalid, Problem
from serving.predict.predictor import Unavailable
from serving.routes.refusals import refuse, wrong_method


def test_each_refusal_has_its_status_and_says_why(tmp_path: Path) -> None:
    counts = Metrics(tmp_path)
    refused = refuse(wrong_method("/predict", "POST"), counts)
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    away = refuse(Unavailable("no model is loaded yet"), counts)
    assert (away.status_code, away.headers["retry-after"]) == (503, "5")
    assert json.loads(bytes(away.body)) == {"error": "no model is loaded yet"}
    invalid = refuse(Invalid([Problem("age", "missing", "a level")]), counts)
    assert invalid.status_code == 400
    [error] = json.loads(bytes(invalid.body))["errors"]
    assert (error["field"], error["problem"]) == ("age", "missing")

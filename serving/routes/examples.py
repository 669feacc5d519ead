"""Examples of bodies and answers for the documentation; a test decodes each with its type."""

from collections.abc import Mapping
from typing import Any

from readmission import contract

_ID = "019a3f5e-8c1d-7b52-9d7e-3f0c5a6b7c8d"
_ANSWER: Mapping[str, Any] = {
    "prediction_id": _ID,
    "prediction": "NO",
    "probabilities": {"NO": 0.4184, ">30": 0.3571, "<30": 0.2245},
    "readmission_risk_30d": 0.2245,
    "risk_band": "high",
    "model_name": "diabetes_readmission",
    "model_version": "3",
    "missing": ["weight", "payer_code"],
    "timestamp": "2026-11-21T08:00:00.000Z",
}
_PROBLEM = {
    "field": "age",
    "problem": "level",
    "allowed": "one of '[0-10)', '[10-20)', '[20-30)'",
    "nearest": "[70-80)",
}
#: An example of a type, by its name.
BY_TYPE: Mapping[str, Mapping[str, Any]] = {
    "Encounter": dict(contract.EXAMPLE),
    "Records": {"records": [dict(contract.EXAMPLE)]},
    "Answer": _ANSWER,
    "Answers": {
        "predictions": [_ANSWER],
        "errors": [{"index": 1, "errors": [_PROBLEM]}],
        "model_name": "diabetes_readmission",
        "model_version": "3",
        "synthetic": False,
    },
    "Report": {"prediction_id": _ID, "outcome": "<30", "observed_at": "2026-12-02T10:00:00Z"},
    "Recorded": {"status": "recorded"},
    "RecordedMany": {"recorded": 2, "pending": 0, "unknown": 0, "errors": []},
    "Explanation": {
        "unit": "log_odds",
        "base": -2.05,
        "contributions": {"number_inpatient": 0.69, "A1Cresult": -0.11},
        "margin": -1.47,
        "model_name": "diabetes_readmission",
        "model_version": "3",
        "missing": ["weight", "payer_code"],
    },
    "Health": {"status": "ok", "model": "loaded", "registry": "ok", "prediction_log": "ok"},
    "Status": {"status": "ready"},
    "Refusal": {"errors": [_PROBLEM]},
}
#: An example of each refusal, by its status.
REFUSALS: Mapping[str, Mapping[str, Any]] = {
    "401": {"error": "an API key is needed: Authorization: Bearer <key>"},
    "403": {"error": "this key may not predict"},
    "404": {"errors": [{"field": "prediction_id", "problem": "unknown", "allowed": "the prediction_id of an answer"}]},
    "408": {"error": "the body did not arrive in time"},
    "413": {"error": "the body is larger than 65,536 bytes"},
    "501": {"error": "models of family random_forest are served without contributions"},
    "503": {"error": "no model is loaded yet: train and promote one, or wait for the registry"},
}

"""RiskAssessments: probabilities without a rounding, periods, what is told apart, no empty elements."""

import math
import random
from datetime import date
from decimal import Decimal
from typing import Any

from readmission.fhir.assessment import COLUMNS_URL, Estimate, operation_outcome, percent, risk_assessment
from readmission.fhir.draft import Origin
from readmission.fhir.mapping import MappedEncounter
from readmission.fhir.resources import Issue

ESTIMATE = Estimate(
    prediction_id="019a3f5e-8c1d-7b52-9d7e-3f0c5a6b7c8d",
    made_at="2026-11-21T08:00:00.000Z",
    probabilities={"NO": 0.5, ">30": 0.27, "<30": 0.23},
    band="very high",
    prevalence=0.115,
    model="diabetes_readmission",
    version="3",
    card_url="",
)


def encounter(**changes: Any) -> MappedEncounter:
    fields: dict[str, Any] = {
        "record": {},
        "origins": {"gender": Origin("sent"), "age": Origin("derived", "years"), "race": Origin("missing")},
        "columns": {"sent": ["gender"], "derived": ["age"], "assumed": [], "missing": ["race"]},
        "patient": "Patient/1",
        "stay": "Encounter/2",
        "end": date(2026, 11, 20),
        "basis": ["Patient/1"],
    }
    return MappedEncounter(**fields | changes)


def test_a_hundredth_of_the_percentage_is_the_probability_to_the_bit() -> None:
    draw = random.Random(7)
    for number in (0.0, 1.0, 5e-324, 0.1 + 0.2, *(draw.random() for _ in range(1000))):
        exact = percent(number) / 100
        assert float(exact) == number and math.copysign(1, float(exact)) == 1


def test_the_assessment_states_model_period_and_origins() -> None:
    assessment = risk_assessment(ESTIMATE, encounter())
    first = assessment["prediction"][0]
    assert first["probabilityDecimal"] == Decimal("23") and first["relativeRisk"] == Decimal("2.0")
    assert first["whenPeriod"] == {"start": "2026-11-20", "end": "2026-12-20"}
    assert first["rationale"] == "Not known: race."
    assert sum(prediction["probabilityDecimal"] for prediction in assessment["prediction"]) == 100
    assert assessment["extension"][0] == {
        "url": COLUMNS_URL,
        "extension": [
            {"url": "sent", "valueString": "gender"},
            {"url": "derived", "valueString": "age: years"},
            {"url": "missing", "valueString": "race"},
        ],
    }


def test_what_has_no_id_is_described_and_nothing_is_empty() -> None:
    assessment = risk_assessment(ESTIMATE, encounter(patient="", basis=[], end=None))
    assert assessment["subject"] == {"display": "The Patient that was sent"} and "basis" not in assessment
    assert assessment["prediction"][0]["whenPeriod"]["start"] == "2026-11-21"


def test_a_refusal_is_an_operation_outcome() -> None:
    outcome = operation_outcome([Issue("required", "Patient.birthDate", "a date")])
    assert outcome["issue"] == [
        {"severity": "error", "code": "required", "diagnostics": "a date", "expression": ["Patient.birthDate"]}
    ]

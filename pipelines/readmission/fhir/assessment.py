"""Answers as FHIR: RiskAssessment, and OperationOutcome for a refusal."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from msgspec import Struct

from readmission.contract.risk import INTENDED_USE
from readmission.fhir import codes
from readmission.fhir.draft import SOURCES, Source
from readmission.fhir.mapping import MappedEncounter
from readmission.fhir.resources import Issue

#: Outcomes of the prediction, by class.
OUTCOMES: Mapping[str, str] = {
    "<30": "Readmission within 30 days",
    ">30": "Readmission after more than 30 days",
    "NO": "No readmission",
}
#: Sources that a person must be told of, in words.
SOURCE_NAMES: Mapping[Source, str] = {"assumed": "Assumed", "missing": "Not known"}
#: URL of the extension that tells apart where the columns' values come from.
COLUMNS_URL = "urn:readmission:columns"


class Estimate(Struct, frozen=True, kw_only=True):
    """What the model says of one encounter.

    Attributes:
        prediction_id: Id of the prediction; the RiskAssessment's id.
        made_at: ISO 8601, UTC.
        probabilities: By class.
        band: Name of the risk band; empty if the model has none.
        prevalence: Share of early readmissions in the training data; None if it is not known.
        model: Name of the model.
        version: Version of the model.
        card_url: URL of the model card; empty if there is none.
    """

    prediction_id: str
    made_at: str
    probabilities: Mapping[str, float]
    band: str
    prevalence: float | None
    model: str
    version: str
    card_url: str


def percent(probability: float) -> Decimal:
    """Return a probability in percent, as FHIR wants it, without a rounding: a hundredth of it is the probability."""
    return Decimal(repr(probability)).scaleb(2)


def risk_assessment(estimate: Estimate, mapped: MappedEncounter) -> dict[str, Any]:
    """Return the RiskAssessment of one answer (FHIR R4).

    Args:
        estimate: The answer.
        mapped: The encounter and where its values come from.
    """
    others = [
        {"outcome": {"text": OUTCOMES[name]}, "probabilityDecimal": percent(estimate.probabilities[name])}
        for name in (">30", "NO")
    ]
    notes = [INTENDED_USE, *([f"Model card: {estimate.card_url}"] if estimate.card_url else [])]
    assessment: dict[str, Any] = {
        "resourceType": "RiskAssessment",
        "id": estimate.prediction_id,
        "extension": [_columns(mapped)],
        "status": "final",
        "method": {"text": f"{estimate.model}, version {estimate.version}"},
        "code": {"text": "Risk of readmission"},
        "subject": {"reference": mapped.patient},
        "encounter": {"reference": mapped.stay},
        "occurrenceDateTime": estimate.made_at,
        "basis": [{"reference": reference} for reference in mapped.basis],
        "prediction": [_early_readmission(estimate, mapped), *others],
        "note": [{"text": text} for text in notes],
    }
    # FHIR has no empty elements, and resources without an id cannot be referred to.
    for name in ("subject", "encounter"):
        if not assessment[name]["reference"]:
            assessment[name] = {"display": f"The {'Patient' if name == 'subject' else 'Encounter'} that was sent"}
    return {name: value for name, value in assessment.items() if value != []}


def _early_readmission(estimate: Estimate, mapped: MappedEncounter) -> dict[str, Any]:
    """Return the prediction of a readmission within 30 days."""
    early = estimate.probabilities["<30"]
    prediction: dict[str, Any] = {
        "outcome": {
            "coding": [{"system": codes.SNOMED, "code": codes.READMISSION, "display": "Hospital re-admission"}],
            "text": OUTCOMES["<30"],
        },
        "probabilityDecimal": percent(early),
        "whenPeriod": _thirty_days(mapped.end or date.fromisoformat(estimate.made_at[:10])),
        "rationale": _rationale(mapped),
    }
    if estimate.band:
        prediction["qualitativeRisk"] = {"text": f"{estimate.band} risk"}
    if estimate.prevalence:
        prediction["relativeRisk"] = Decimal(repr(round(early / estimate.prevalence, 3)))
    return prediction


def _thirty_days(first: date) -> dict[str, str]:
    return {"start": first.isoformat(), "end": (first + timedelta(days=30)).isoformat()}


def _rationale(mapped: MappedEncounter) -> str:
    """Tell in words what was assumed and what is missing."""
    parts = []
    for source, name in SOURCE_NAMES.items():
        if columns := mapped.columns[source]:
            parts.append(f"{name}: {', '.join(columns)}.")
    return " ".join(parts) or "Every column was sent or follows from what was sent."


def _columns(mapped: MappedEncounter) -> dict[str, Any]:
    """Return the extension with the columns by source, each with how its value was found."""
    parts = []
    for source in SOURCES:
        for column in mapped.columns[source]:
            how = mapped.origins[column].how
            text = f"{column}: {how}" if how else column
            parts.append({"url": source, "valueString": text})
    return {"url": COLUMNS_URL, "extension": parts}


def operation_outcome(issues: Sequence[Issue]) -> dict[str, Any]:
    """Return the OperationOutcome of a refusal; it never repeats a value."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [
            {"severity": "error", "code": issue.code, "diagnostics": issue.text, "expression": [issue.where]}
            for issue in issues
        ],
    }

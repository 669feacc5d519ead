"""Cards of CDS Hooks: what a clinician reads."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

from readmission import contract
from readmission.contract.risk import BAND_NAMES, INTENDED_USE
from readmission.fhir.assessment import SOURCE_NAMES, Estimate
from readmission.fhir.mapping import MappedEncounter
from serving.predict.known_scores import Points

#: Longest summary, by the standard.
LONGEST_SUMMARY = 139
SYSTEM = "urn:readmission:cds"
#: Why a card was overridden: code -> words.
OVERRIDE_REASONS: Mapping[str, str] = {
    "follow-up-arranged": "Follow-up is arranged already",
    "declined": "The patient declines a follow-up",
    "not-indicated": "A follow-up is not indicated",
    "data-wrong": "The data of this estimate are wrong or incomplete",
    "disagree": "I judge the risk differently",
}
_TOPIC = {"system": SYSTEM, "code": "readmission-risk", "display": "Readmission risk"}
_FOLLOW_UP = "Plan a follow-up call within 48 hours"
_REASONS = 5


def suggestion_id(prediction_id: str) -> str:
    """Return the id of the suggestion on a prediction's card."""
    return str(uuid5(UUID(prediction_id), "follow-up"))


def card(
    estimate: Estimate,
    mapped: MappedEncounter,
    contributions: Sequence[tuple[str, float]],
    unit: str,
    scores: Sequence[Points] = (),
) -> dict[str, Any]:
    """Return the card of one answer.

    Args:
        estimate: The answer.
        mapped: The encounter and where its values come from.
        contributions: Contribution of each raw column, the largest first; empty if the model cannot say.
        unit: Unit of the contributions.
        scores: Points of the scores that clinicians know.
    """
    risk = estimate.probabilities["<30"]
    is_raised = estimate.band in BAND_NAMES[1:]
    average = f"; all patients: {estimate.prevalence:.0%}" if estimate.prevalence else ""
    band = f", {estimate.band} risk" if estimate.band else ""
    source = {"label": f"{estimate.model}, version {estimate.version}"[:80], "topic": _TOPIC}
    content: dict[str, Any] = {
        "uuid": estimate.prediction_id,
        "summary": f"Readmission within 30 days: {risk:.0%}{band}{average}"[:LONGEST_SUMMARY],
        "indicator": "warning" if estimate.band in BAND_NAMES[2:] else "info",
        "detail": _detail(estimate, mapped, _why(contributions, unit) + _known(scores)),
        "source": source,
        "overrideReasons": [
            {"system": SYSTEM, "code": code, "display": display} for code, display in OVERRIDE_REASONS.items()
        ],
    }
    if estimate.card_url:
        source["url"] = estimate.card_url
        content["links"] = [{"label": "Model card", "url": estimate.card_url, "type": "absolute"}]
    if is_raised:
        suggestion = {"label": _FOLLOW_UP, "uuid": suggestion_id(estimate.prediction_id)}
        content |= {"suggestions": [suggestion], "selectionBehavior": "at-most-one"}
    return content


def _detail(estimate: Estimate, mapped: MappedEncounter, grounds: Sequence[str]) -> str:
    shares = estimate.probabilities
    band = f" ({estimate.band} risk)" if estimate.band else ""
    lines = [
        f"**{shares['<30']:.1%}** within 30 days{band}, {shares['>30']:.1%} later, {shares['NO']:.1%} not at all.",
    ]
    if estimate.prevalence:
        lines[0] += f" Of all patients of the training data, {estimate.prevalence:.1%} came back within 30 days."
    lines += grounds
    for source, name in SOURCE_NAMES.items():
        if columns := mapped.columns[source]:
            lines += ["", f"**{name}:** " + "; ".join(_said(mapped, column) for column in columns)]
    derived = len(mapped.columns["sent"]), len(mapped.columns["derived"])
    lines += ["", f"{derived[0]} values were sent and {derived[1]} derived from what was sent."]
    lines += ["", f"_{INTENDED_USE}_"]
    return "\n".join(lines)


def _why(contributions: Sequence[tuple[str, float]], unit: str) -> list[str]:
    if not contributions:
        return ["", "What moved this estimate is not known: the model cannot say, or not in time for this card."]
    rows = [
        f"| {_label(name)} | {'raises' if share > 0 else 'lowers'} | {share:+.2f} |"
        for name, share in contributions[:_REASONS]
        if share
    ]
    return ["", f"| What moved it most | | {unit.replace('_', '-')} |", "|---|---|---|", *rows]


def _known(scores: Sequence[Points]) -> list[str]:
    if not scores:
        return []
    points = (f"{s.label} {s.points}{f' of {s.maximum}' if s.maximum is not None else ''}" for s in scores)
    return ["", f"**Known scores**, without the inputs that the data lacks: {'; '.join(points)}"]


def _label(name: str) -> str:
    if name in contract.BY_NAME:
        return contract.BY_NAME[name].label
    return {"diagnoses": "Diagnoses together", "history": "Earlier stays known here"}.get(name, name)


def _said(mapped: MappedEncounter, name: str) -> str:
    """Return a column with how its value was found; drugs are only named, because there are many."""
    how = mapped.origins[name].how
    return f"{_label(name)} ({how})" if how and contract.BY_NAME[name].group != "drugs" else _label(name)

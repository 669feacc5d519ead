"""What is known of versions in use: live quality, and what clinicians did with cards. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, kw_only=True)
class LiveFigure:
    """One figure of a version in use, as `readmission outcomes` measured it last.

    Attributes:
        version: Version that was in use.
        measured_on: Day of the measurement.
        group: ``all``, or the column and level of a group of people.
        metric: Key of `metrics.measure`.
        encounters: Number of encounters whose outcome is known.
        value: The figure.
    """

    version: str
    measured_on: date
    group: str
    metric: str
    encounters: int
    value: float


@dataclass(frozen=True, kw_only=True)
class CardCounts:
    """How many cards of one version clinicians accepted or overrode; never an outcome of a patient.

    Attributes:
        version: Version that made the cards.
        outcome: ``accepted`` or ``overridden``.
        reason: Code of the reason; empty if none was stated.
        cards: How many.
    """

    version: str
    outcome: str
    reason: str
    cards: int


def markdown(live: Sequence[LiveFigure], feedback: Sequence[CardCounts]) -> str:
    """Return both as tables, or a sentence where there is nothing."""
    lines = ["What was known of versions in use when this one was judged.", ""]
    if live:
        lines += ["| version | measured on | group | figure | encounters | value |", "|---|---|---|---|---|---|"]
        lines += [
            f"| {f.version} | {f.measured_on} | {f.group} | {f.metric} | {f.encounters:,} | {f.value:.4g} |"
            for f in live
        ]
    else:
        lines += ["Live quality: no outcome is known yet."]
    if feedback:
        lines += ["", "What clinicians did with cards, which is never an outcome of a patient:", ""]
        lines += ["| version | outcome | reason | cards |", "|---|---|---|---|"]
        lines += [f"| {f.version} | {f.outcome} | {f.reason or 'none stated'} | {f.cards:,} |" for f in feedback]
    else:
        lines += ["", "Cards: no clinician has reported what was done with one."]
    return "\n".join(lines)

"""What moved an estimate: the largest contributions as two-sided bars, in the words of the form."""

import math
from collections.abc import Mapping
from html import escape
from typing import Any

from readmission import contract
from readmission.contract import icd
from serving.demo import diagnoses
from serving.demo.labels import ASSUMPTIONS, describe_level
from serving.demo.language import factor, mark, tr

#: How many contributions are drawn; the others are summed.
SHOWN = 5
#: Contributions that are of no single column.
_COMBINED = {
    "diagnoses": mark("Diseases that the diagnoses name together"),
    "history": mark("Stored earlier stays: none used, as no patient number is sent"),
}
_DIRECTIONS = {"raises": mark("raises"), "lowers": mark("lowers")}


def draw_reasons(explanation: Mapping[str, Any] | None, record: Mapping[str, str | int]) -> str:
    """Draw what raised and what lowered the estimate.

    Args:
        explanation: Answer of POST /explain to the same request. If None, nothing is drawn.
        record: The request, for the values in the form's words.
    """
    if not explanation:
        return ""
    contributions = sorted(explanation["contributions"].items(), key=lambda pair: -abs(pair[1]))
    shown, others = contributions[:SHOWN], contributions[SHOWN:]
    rest = sum(value for _, value in others)
    widest = max((abs(value) for value in (*(value for _, value in shown), rest)), default=0.0) or 1.0
    odds = explanation["unit"] == "log_odds"
    rows = "".join(_row(_words(name, record), value, widest, odds) for name, value in shown)
    if others:
        rows += _row(tr("The other {count} entries together", count=len(others)), rest, widest, odds)
    compared = tr("Compared with the average patient of the training data.") + " " if odds else ""
    heading = tr("What moves this estimate")
    caution = tr("These are associations, not causes: changing a value does not change the risk by this much.")
    return (
        f'<section class="reasons" aria-label="{heading}"><h3>{heading}</h3>'
        f"<dl>{rows}</dl><p>{compared}{caution}</p></section>"
    )


def _row(sentence: str, value: float, widest: float, odds: bool) -> str:
    direction = "raises" if value > 0 else "lowers"
    figure = f" <small>{tr('odds × {factor}', factor=factor(math.exp(value)))}</small>" if odds else ""
    return (
        f'<div class="reason {direction}"><dt>{escape(sentence)}</dt>'
        f'<dd class="track" aria-hidden="true"><i style="width:{50 * abs(value) / widest:.1f}%"></i></dd>'
        f"<dd>{tr(_DIRECTIONS[direction])}{figure}</dd></div>"
    )


def _words(name: str, record: Mapping[str, str | int]) -> str:
    """Return one entry as the form states it, such as ``Inpatient stays in the year before: 4``."""
    if name in _COMBINED:
        return tr(_COMBINED[name])
    column = contract.BY_NAME.get(name)
    if column is None:
        return name
    text = str(record.get(name, column.assumed or ""))
    if not text:
        return f"{tr(column.label)}: {tr(ASSUMPTIONS['']).lower()}"
    if column.pattern:
        system: icd.System = "10cm" if record.get(contract.ICD.name) == "10cm" else "9cm"
        return f"{tr(column.label)}: {diagnoses.describe(text, system)}"
    return f"{tr(column.label)}: {describe_level(column, text) if text in column.levels else text}"

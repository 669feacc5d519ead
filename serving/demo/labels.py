"""Labels of columns, levels, risk bands and problems in a clinician's words; requests keep the raw values."""

import re
from collections.abc import Mapping
from typing import Any

from readmission import contract
from readmission.contract import Column
from readmission.contract.risk import BAND_NAMES

#: Label and style of each risk band; which risks a band holds is the model version's own.
RISK_BANDS = {name: (f"{name.capitalize()} risk", name.replace(" ", "-")) for name in BAND_NAMES}
_LEVELS = {
    "No": "No",
    "Ch": "Yes",
    "Yes": "Yes",
    "None": "Not tested",
    "Norm": "Normal",
    "Unknown/Invalid": "Not stated",
    "PhysicianNotFound": "Physician not found",
}
_DOSES = {"No": "No", "Steady": "Steady", "Up": "Increased", "Down": "Decreased"}
#: What a field that was left out is assumed to mean, by the value that the contract assumes for it.
ASSUMPTIONS = {"No": "Drug not prescribed", "None": "Not tested", "": "Not known"}
_PROBLEMS = {
    "missing": "is required",
    "unknown": "is not a known column",
    "type": "is not of the right kind",
    "range": "is out of range",
    "level": "is not one of the allowed values",
    "pattern": "is not a valid code",
}
#: Most allowed values that an error lists.
_FEW = 12
#: What the API adds for optional columns; on the page, the field is simply left empty.
_TAIL = re.compile(r"(?:, or '\?' for unknown)?(?:; may be absent or null)?$")
_RANGE = re.compile(r"\[(\d+)-(\d+)\)")
_JOINED = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[a-z])(?=and[A-Z])")


def describe_level(column: Column, level: str) -> str:
    """Describe one allowed value: ``[70-80)`` is ``70–79 years``, ``3`` is ``3 · Elective``."""
    if level in column.descriptions:
        return f"{level} · {column.descriptions[level]}"
    if column.group == "drugs" and len(column.levels) == len(_DOSES):
        return _DOSES[level]
    if bounds := _RANGE.fullmatch(level):
        return f"{bounds[1]}–{int(bounds[2]) - 1} {column.unit}".rstrip()
    if level in _LEVELS:
        return _LEVELS[level]
    if level.startswith(">"):
        return f"Above {level[1:]} {column.unit}".replace(" %", "%")
    return _JOINED.sub(" ", level).replace("/", " / ").replace("-", " – ").replace("&", " & ")


def label(column: Column) -> str:
    """Return the label of a column, with a mark if a request must give it."""
    return f"{column.label} *" if column.required else column.label


def title(field: str) -> str:
    """Return the label of a column; a field that the contract does not have keeps its own name."""
    column = contract.BY_NAME.get(field)
    return column.label if column else field


def objection(error: Mapping[str, Any]) -> str:
    """Return what is wrong with one field and what is allowed there.

    Args:
        error: One of the API's {field, problem, allowed}.
    """
    code = str(error["problem"])
    problem = _PROBLEMS.get(code, code).removesuffix(".")
    allowed = _TAIL.sub("", str(error.get("allowed") or ""))
    if code in ("missing", "unknown") or not allowed:
        return f"{problem}."
    column, nearest = contract.BY_NAME.get(str(error["field"])), error.get("nearest")
    if column and column.levels:
        # A list of seventy specialties is no help; the form has it.
        choices = "" if len(column.levels) > _FEW else f" Choose {_listed(column)}."
        allowed = f"{problem}.{choices}"
    else:
        allowed = f"{problem}: give {allowed}."
    if nearest is None or column is None:
        return allowed
    meant = describe_level(column, str(nearest)) if column.levels else str(nearest)
    return f"{allowed} Did you mean {meant}?"


def _listed(column: Column) -> str:
    *first, last = (describe_level(column, level) for level in column.levels)
    return f"{', '.join(first)} or {last}"

"""Labels of columns, levels, risk bands and problems in a clinician's words; requests keep the raw values."""

import re
from collections.abc import Mapping
from typing import Any

from readmission import contract
from readmission.contract import Column, icd
from readmission.contract.risk import BAND_NAMES
from serving.demo.language import mark, tr

#: Label and style of each risk band; which risks a band holds is the model version's own.
RISK_BANDS = {name: (f"{name.capitalize()} risk", name.replace(" ", "-")) for name in BAND_NAMES}
_LEVELS = {
    "No": mark("No"),
    "Ch": mark("Yes"),
    "Yes": mark("Yes"),
    "None": mark("Not tested"),
    "Norm": mark("Normal"),
    "Unknown/Invalid": mark("Not stated"),
    "9cm": mark("ICD-9-CM"),
    "10cm": mark("ICD-10-CM"),
    "AfricanAmerican": mark("African American"),
    "Surgery-PlasticwithinHeadandNeck": mark("Surgery – Plastic within Head and Neck"),
    "Obsterics&Gynecology-GynecologicOnco": mark("Obstetrics & Gynecology – Gynecologic Oncology"),
}
_DOSES = {"No": mark("No"), "Steady": mark("Steady"), "Up": mark("Increased"), "Down": mark("Decreased")}
#: Payers of which the code's meaning is certain; the data set explains none of them.
PAYERS = {
    "BC": mark("Blue Cross/Blue Shield"),
    "HM": mark("HMO"),
    "MC": mark("Medicare"),
    "MD": mark("Medicaid"),
    "OT": mark("Other"),
    "SP": mark("Self-pay"),
    "WC": mark("Workers' compensation"),
}
#: What a field that was left out is assumed to mean, by the value that the contract assumes for it.
ASSUMPTIONS = {"No": mark("Drug not prescribed"), "None": mark("Not tested"), "": mark("Not known")}
_PROBLEMS = {
    "missing": mark("is required."),
    "unknown": mark("is not a known column."),
    "type": mark("is not of the right kind."),
    "range": mark("is out of range."),
    "level": mark("is not one of the allowed values."),
    "pattern": mark("is not a valid code: give an ICD-9 code such as 250.83, 428, V27 or E878."),
    "unlisted": mark("is not a billable ICD-10-CM code of fiscal year 2024: give one such as E11.65 or I50.9."),
    "unmapped": mark("is an ICD-10-CM code without an equivalent that the model knows: leave it out or give another."),
    "ambiguous": mark(
        "is an ICD-10-CM code that could mean several that the model tells apart: give a more specific one or leave it "
        "out."
    ),
}
#: Problems of a code, which may be one of the other code system.
_OF_CODES = ("pattern", "unlisted")
#: Columns that a request may state, by name.
_COLUMNS = {**contract.BY_NAME, contract.ICD.name: contract.ICD}
#: Most allowed values that an error lists.
_FEW = 12
_RANGE = re.compile(r"\[(\d+)-(\d+)\)")
_JOINED = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[a-z])(?=and[A-Z])")


def describe_level(column: Column, level: str) -> str:
    """Describe one allowed value: ``[70-80)`` is ``70–79 years``, ``3`` is ``3 · Elective``."""
    if level in column.descriptions:
        return f"{level} · {tr(column.descriptions[level])}"
    if column.name == "payer_code":
        return f"{level} · {tr(PAYERS[level])}" if level in PAYERS else level
    if column.group == "drugs" and len(column.levels) == len(_DOSES):
        return tr(_DOSES[level])
    if bounds := _RANGE.fullmatch(level):
        return f"{bounds[1]}–{int(bounds[2]) - 1} {tr(column.unit)}".rstrip()
    if level in _LEVELS:
        return tr(_LEVELS[level])
    if level.startswith(">"):
        return tr("Above {bound}", bound=f"{level[1:]} {tr(column.unit)}").replace(" %", "%")
    return tr(spell_out(level))


def spell_out(level: str) -> str:
    """Separate the words of a level: ``InternalMedicine`` is ``Internal Medicine``."""
    return _JOINED.sub(" ", level).replace("/", " / ").replace("-", " – ").replace("&", " & ")


def label(column: Column) -> str:
    """Return the label of a column, with a mark if a request must give it."""
    return f"{tr(column.label)} *" if column.required else tr(column.label)


def title(field: str) -> str:
    """Return the label of a column; a field that the contract does not have keeps its own name."""
    column = _COLUMNS.get(field)
    return tr(column.label) if column else field


def objection(error: Mapping[str, Any], record: Mapping[str, str | int] | None = None) -> str:
    """Return what is wrong with one field and what is allowed there, to follow the field's label.

    Args:
        error: One of the API's {field, problem, allowed}, perhaps with the nearest allowed value.
        record: The request. If omitted, a code of the other code system is not named as such.
    """
    code = str(error["problem"])
    column, nearest = _COLUMNS.get(str(error["field"])), error.get("nearest")
    if code in _OF_CODES and column and column.pattern and (other := _other_system(column, record or {})):
        return other
    if code == "pattern" and (record or {}).get(contract.ICD.name) == "10cm":
        code = "unlisted"
    if column and column.is_number and not column.levels and code in ("type", "range"):
        sentence = tr("must be a whole number from {least} to {most}.", least=column.minimum, most=column.maximum)
    else:
        sentence = tr(_PROBLEMS.get(code, code))
        # A list of seventy specialties is no help; the form has it.
        if column and code == "level" and len(column.levels) <= _FEW:
            sentence += " " + tr("Choose {levels}.", levels=_listed(column))
    if nearest is None or column is None or code in ("missing", "unknown"):
        return sentence
    meant = describe_level(column, str(nearest)) if column.levels else str(nearest)
    return f"{sentence} {tr('Did you mean {value}?', value=meant)}"


def _other_system(column: Column, record: Mapping[str, str | int]) -> str:
    """Say that a code belongs to the code system that was not declared; empty if it does not."""
    declared = record.get(contract.ICD.name, contract.ICD.assumed)
    other = next((system for system in icd.SYSTEMS if system != declared), None)
    if declared not in icd.SYSTEMS or other is None or icd.refusal(str(record.get(column.name, "")), other) is not None:
        return ""
    systems: dict[object, str] = {name: describe_level(contract.ICD, name) for name in icd.SYSTEMS}
    return tr(
        "is a code of {other}, but the code system is {declared}: choose {other}.",
        other=systems[other],
        declared=systems[declared],
    )


def _listed(column: Column) -> str:
    *first, last = (describe_level(column, level) for level in column.levels)
    return tr("{first} or {last}", first=", ".join(first), last=last)

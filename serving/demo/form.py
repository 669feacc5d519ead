"""The form, generated from the contract: one input per feature, grouped for a clinician."""

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from readmission import contract
from readmission.contract import Column, Group, suggestions
from serving.demo import diagnoses
from serving.demo.batch import row_to_record
from serving.demo.labels import describe_level, label

#: Groups in the order a clinician thinks: title and hint.
GROUPS: Mapping[Group, tuple[str, str]] = {
    "patient": ("Patient", ""),
    "stay": ("Hospital stay", "As known at discharge."),
    "diagnoses": ("Diagnoses", "Search by name, or type any ICD-9 code, such as 250.83, 428, V27 or E878."),
    "labs": ("Laboratory", "The highest result of this stay."),
    "drugs": ("Diabetes drugs", "Prescribed during the stay, and how the dose changed."),
}
#: Drugs given to at least one patient in twenty come first; the rare ones are folded away.
COMMON_DRUGS = frozenset(
    {"metformin", "glimepiride", "glipizide", "glyburide", "pioglitazone", "rosiglitazone", "insulin"}
)
#: The choice of an optional field that nobody filled in: the field is left out of the request.
NOT_KNOWN = ("Not known", "")

Value = str | None


def is_rare(column: Column) -> bool:
    """Tell whether a field is folded away: a drug that few patients get."""
    return column.group == "drugs" and column.assumed is not None and column.name not in COMMON_DRUGS


def field(column: Column) -> gr.components.Component:
    """Build the input of one column; an error at it is shown by `mark`."""
    common: dict[str, Any] = {
        "label": label(column),
        "elem_id": f"field-{column.name}",
        "elem_classes": ["field"],
        "min_width": 120,
    }
    if column.pattern:
        # Searched by code or name; any other code may be typed.
        named = [NOT_KNOWN, *((diagnoses.describe(code), code) for code in diagnoses.COMMON)]
        return gr.Dropdown(choices=named, value="", allow_custom_value=True, **common)
    if not column.levels:
        # Not gr.Number: an empty one shows 0, which is an answer.
        hint = f"{column.minimum}–{column.maximum}" if column.is_number else "Not known"
        return gr.Textbox(value="", placeholder=hint, max_lines=1, **common)
    optional = not column.required and column.assumed is None
    choices = [*([NOT_KNOWN] if optional else []), *((describe_level(column, v), v) for v in column.levels)]
    # Typed years are mapped to their range (`mend`).
    return gr.Dropdown(choices=choices, value=default(column), allow_custom_value=column.name == "age", **common)


def default(column: Column) -> Value:
    """Return the value in an empty form: what the API would assume, or nothing."""
    return None if column.required and column.levels else column.assumed or ""


def fill(record: Mapping[str, str | int]) -> list[Value]:
    """Return the value of every field, in contract order, for one request."""
    return [str(record[c.name]) if c.name in record else default(c) for c in contract.FEATURE_COLUMNS]


def mend(values: Sequence[Value]) -> tuple[list[Value], list[str]]:
    """Repair what a person may type: the spelling of diagnosis codes, and an age in years.

    Args:
        values: The form's values, in contract order.

    Returns:
        The values to send, and a sentence for each that was repaired.
    """
    mended, notes = list(values), []
    for position, column in enumerate(contract.FEATURE_COLUMNS):
        text = (values[position] or "").strip()
        if not text or not (column.pattern or column.name == "age") or column.problem(text) is None:
            continue
        meant = suggestions.mend_code(text) if column.pattern else _range_of(column, text)
        if meant:
            mended[position] = meant
            read = diagnoses.describe(meant) if column.pattern else describe_level(column, meant)
            notes.append(f"{column.label}: “{text}” was read as {read}.")
    return mended, notes


def _range_of(column: Column, text: str) -> str | None:
    years = text.casefold().removesuffix("years").removesuffix("year").strip()
    return str(suggestions.nearest(column, years) or "") or None if years.isdigit() else None


def to_record(values: Sequence[Value]) -> dict[str, str | int]:
    """Build the request from the form's values, in contract order; empty fields are left out."""
    return row_to_record(dict(zip(contract.FEATURE_NAMES, values, strict=True)))


def mark(problems: Mapping[str, str], repaired: Mapping[str, Value] | None = None) -> list[dict[str, Any]]:
    """Return the update of every field.

    Args:
        problems: Objection of the API by field.
        repaired: New value by field that was repaired. If omitted, no value changes.
    """
    marks = []
    for column in contract.FEATURE_COLUMNS:
        classes = ["field", "invalid"] if column.name in problems else ["field"]
        update: dict[str, Any] = gr.update(info=_sentence(problems.get(column.name, "")), elem_classes=classes)
        if repaired and column.name in repaired:
            update["value"] = repaired[column.name]
        marks.append(update)
    return marks


def _sentence(objection: str) -> str:
    sentence = objection.removeprefix("is ")
    return sentence[:1].upper() + sentence[1:]

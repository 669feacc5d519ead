"""The form, generated from the contract: one native input per feature, grouped for a clinician.

Its controls are those of HTML, because screen readers, keyboards and phones know them. form.js reads and marks them.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from readmission import contract
from readmission.contract import Column, Group, suggestions
from serving.demo import diagnoses
from serving.demo.batch import row_to_record
from serving.demo.labels import describe_level, label
from serving.demo.language import mark, tr

#: Groups in the order a clinician thinks: title and hint.
GROUPS: Mapping[Group, tuple[str, str]] = {
    "patient": (mark("Patient"), ""),
    "stay": (mark("Hospital stay"), mark("As known at discharge.")),
    "diagnoses": (
        mark("Diagnoses"),
        mark("Search by name, or type any ICD-9 code, such as 250.83, 428, V27 or E878."),
    ),
    "labs": (mark("Laboratory"), mark("The highest result of this stay.")),
    "drugs": (mark("Diabetes drugs"), mark("Prescribed during the stay, and how the dose changed.")),
}
#: Drugs given to at least one patient in twenty come first; the rare ones are folded away.
COMMON_DRUGS = frozenset(
    {"metformin", "glimepiride", "glipizide", "glyburide", "pioglitazone", "rosiglitazone", "insulin"}
)
#: Levels of long lists that nine of ten encounters of the data set have, the most frequent first.
COMMON_LEVELS: Mapping[str, tuple[str, ...]] = {
    "discharge_disposition_id": ("1", "3", "6", "2", "22", "5"),
    "admission_source_id": ("7", "1", "4", "6", "2"),
    "payer_code": ("MC", "HM", "SP", "BC", "MD"),
    "medical_specialty": (
        "InternalMedicine",
        "Emergency/Trauma",
        "Family/GeneralPractice",
        "Cardiology",
        "Surgery-General",
        "Nephrology",
        "Orthopedics",
    ),
}

#: The form's texts by column; an empty one is not known.
Values = Mapping[str, str]


def draw() -> str:
    """Draw the form, empty."""
    return f"{_diagnoses()}{_ages()}{''.join(map(_draw_group, GROUPS))}"


def _draw_group(group: Group) -> str:
    heading, hint = GROUPS[group]
    columns = contract.feature_columns(group)
    rare = [column for column in columns if _is_rare(column)]
    heading_of_rare = tr("{count} rarely used drugs", count=len(rare))
    folded = f'<details class="rare"><summary>{heading_of_rare}</summary>{_draw_fields(rare)}</details>'
    return (
        f'<section class="card" id="group-{group}" aria-labelledby="title-{group}"><h2 id="title-{group}">{tr(heading)}'
        f"</h2>{f'<p>{tr(hint)}</p>' if hint else ''}"
        f"{_draw_fields([column for column in columns if column not in rare])}"
        f"{folded if rare else ''}</section>"
    )


def _is_rare(column: Column) -> bool:
    return column.group == "drugs" and column.assumed is not None and column.name not in COMMON_DRUGS


def _draw_fields(columns: Sequence[Column]) -> str:
    return f'<div class="fields">{"".join(map(_draw_field, columns))}</div>'


def _draw_field(column: Column) -> str:
    """Draw one label, its control and the places of what an answer says about it."""
    name = column.name
    hint = tr("in years, or a range") if name == "age" else ""
    if column.is_number and not column.levels:
        hint = f"{column.minimum}–{column.maximum}"
    described = f' aria-describedby="hint-{name}"' if hint else ""
    attributes = f'id="input-{name}" name="{name}" aria-required="{str(column.required).lower()}"{described}'
    return (
        f'<div class="field" id="field-{name}"><div class="title"><label for="input-{name}">{escape(label(column))}'
        f'</label> <span class="hint" id="hint-{name}">{hint}</span></div>{_control(column, attributes)}'
        f'<div class="about"><p class="meaning" id="meaning-{name}" aria-live="polite"></p>'
        f'<p class="error" id="error-{name}"></p></div></div>'
    )


def _control(column: Column, attributes: str) -> str:
    if column.pattern:
        return (
            f'<input {attributes} list="diagnoses" autocomplete="off" autocapitalize="characters" spellcheck="false">'
        )
    if column.name == "age":
        return f'<input {attributes} list="ages" autocomplete="off">'
    if not column.levels:
        return f'<input {attributes} inputmode="numeric" autocomplete="off">'
    empty = "" if column.assumed is not None else _option("", tr("Choose …" if column.required else "Not known"))
    common = COMMON_LEVELS.get(column.name, ())
    options = "".join(_option(level, describe_level(column, level), level == column.assumed) for level in common)
    others = "".join(
        _option(level, describe_level(column, level), level == column.assumed)
        for level in column.levels
        if level not in common
    )
    if common:
        others = (
            f'<optgroup label="{tr("Most frequent")}">{options}</optgroup>'
            f'<optgroup label="{tr("Others")}">{others}</optgroup>'
        )
    return f"<select {attributes}>{empty}{others}</select>"


def _option(value: str, text: str, selected: bool = False) -> str:
    return f'<option value="{escape(value)}"{" selected" if selected else ""}>{escape(text)}</option>'


def _diagnoses() -> str:
    options = "".join(_option(code, tr(name)) for code, name in diagnoses.COMMON.items())
    return f'<datalist id="diagnoses">{options}</datalist>'


def _ages() -> str:
    column = contract.BY_NAME["age"]
    return f'<datalist id="ages">{"".join(_option(describe_level(column, v), "") for v in column.levels)}</datalist>'


def default(column: Column) -> str:
    """Return the text in an empty form: what the API would assume, or nothing."""
    return column.assumed or ""


def fill(record: Mapping[str, str | int]) -> dict[str, str]:
    """Return the text of every field for one request, as the form shows it."""
    texts = {column.name: str(record.get(column.name, default(column))) for column in contract.FEATURE_COLUMNS}
    if texts["age"]:
        texts["age"] = describe_level(contract.BY_NAME["age"], texts["age"])
    return texts


def mend(values: Values) -> tuple[dict[str, str], list[str]]:
    """Repair what a person may type: the spelling of diagnosis codes, and an age in years.

    Args:
        values: The form's texts.

    Returns:
        The texts to send, and a sentence for each that was repaired.
    """
    mended, notes = dict(values), []
    for column in contract.FEATURE_COLUMNS:
        text = (values.get(column.name) or "").strip()
        if not text or not (column.pattern or column.name == "age") or column.problem(text) is None:
            continue
        meant = suggestions.mend_code(text) if column.pattern else _range_of(column, text)
        if not meant:
            continue
        mended[column.name] = meant
        read = diagnoses.describe(meant) if column.pattern else describe_level(column, meant)
        if read != text:
            notes.append(tr("{field}: “{text}” was read as {value}.", field=tr(column.label), text=text, value=read))
    return mended, notes


def _range_of(column: Column, text: str) -> str | None:
    """Return the range of an age that is typed in years or as the form states a range."""
    stated = {describe_level(column, level): level for level in column.levels}
    if text in stated:
        return stated[text]
    years = text.casefold().removesuffix(tr(column.unit)).removesuffix("year").strip()
    return str(suggestions.nearest(column, years) or "") or None if years.isdigit() else None


def to_record(values: Values) -> dict[str, str | int]:
    """Build the request from the form's texts; empty fields are left out."""
    return row_to_record(values)


def marks(problems: Mapping[str, str], values: Values, mended: Values) -> dict[str, Any]:
    """Return what form.js shows at the fields.

    Args:
        problems: Objection of the API by field.
        values: The form's texts.
        mended: The texts that were sent.

    Returns:
        `problems`, a sentence by field; `values`, the new text of every field that was repaired; `meanings`, the name
        of every diagnosis that has one.
    """
    shown = fill({name: text for name, text in mended.items() if text})
    return {
        "problems": {name: text[:1].upper() + text[1:] for name, text in problems.items()},
        "values": {
            name: shown[name]
            for name in contract.FEATURE_NAMES
            if mended.get(name, "") != values.get(name, "") and shown[name] != values.get(name)
        },
        "meanings": {
            column.name: diagnoses.name_of(mended.get(column.name) or "")
            for column in contract.FEATURE_COLUMNS
            if column.pattern
        },
    }

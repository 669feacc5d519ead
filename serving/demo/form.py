"""The form, generated from the contract: one native input per feature, grouped for a clinician.

Its controls are those of HTML, because screen readers, keyboards and phones know them. form.js reads and marks them.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from readmission import contract
from readmission.contract import Column, Group, icd, suggestions
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
        mark("Search by name, or type any code: 250.83, 428 or V27 of ICD-9-CM, E11.65 or I50.9 of ICD-10-CM."),
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
#: What the form states: the code system of the diagnoses, and the features.
STATED = (contract.ICD, *contract.FEATURE_COLUMNS)
#: Lists of codes by code system, and the codes that they hold.
LISTS: Mapping[icd.System, tuple[str, Iterable[str]]] = {
    "9cm": ("diagnoses-9cm", diagnoses.COMMON),
    "10cm": ("diagnoses-10cm", diagnoses.COMMON_ICD10),
}


def draw(system: icd.System = "9cm") -> str:
    """Draw the form, empty.

    Args:
        system: Code system of the diagnoses that is chosen at first.
    """
    return f"{_diagnoses()}{_ages()}{''.join(_draw_group(group, system) for group in GROUPS)}"


def _draw_group(group: Group, system: icd.System) -> str:
    heading, hint = GROUPS[group]
    columns = [column for column in STATED if column.group == group]
    rare = [column for column in columns if _is_rare(column)]
    heading_of_rare = tr("{count} rarely used drugs", count=len(rare))
    folded = f'<details class="rare"><summary>{heading_of_rare}</summary>{_draw_fields(rare, system)}</details>'
    return (
        f'<section class="card" id="group-{group}" aria-labelledby="title-{group}"><h2 id="title-{group}">{tr(heading)}'
        f"</h2>{f'<p>{tr(hint)}</p>' if hint else ''}"
        f"{_draw_fields([column for column in columns if column not in rare], system)}"
        f"{folded if rare else ''}</section>"
    )


def _is_rare(column: Column) -> bool:
    return column.group == "drugs" and column.assumed is not None and column.name not in COMMON_DRUGS


def _draw_fields(columns: Sequence[Column], system: icd.System) -> str:
    return f'<div class="fields">{"".join(_draw_field(column, system) for column in columns)}</div>'


def _draw_field(column: Column, system: icd.System) -> str:
    """Draw one label, its control and the places of what an answer says about it."""
    name = column.name
    hint = tr("in years, or a range") if name == "age" else ""
    if column.is_number and not column.levels:
        hint = f"{column.minimum}–{column.maximum}"
    described = f' aria-describedby="hint-{name}"' if hint else ""
    attributes = f'id="input-{name}" name="{name}" aria-required="{str(column.required).lower()}"{described}'
    return (
        f'<div class="field" id="field-{name}"><div class="title"><label for="input-{name}">{escape(label(column))}'
        f'</label> <span class="hint" id="hint-{name}">{hint}</span></div>{_control(column, attributes, system)}'
        f'<div class="about"><p class="meaning" id="meaning-{name}" aria-live="polite"></p>'
        f'<p class="error" id="error-{name}"></p></div></div>'
    )


def _control(column: Column, attributes: str, system: icd.System) -> str:
    if column.pattern:
        codes = f'list="{LISTS[system][0]}"'
        return f'<input {attributes} {codes} autocomplete="off" autocapitalize="characters" spellcheck="false">'
    if column.name == contract.ICD.name:
        return f"<select {attributes}>{draw_systems(system)}</select>"
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


def draw_systems(chosen: icd.System) -> str:
    """Draw the code systems as options of a select."""
    return "".join(_option(s, describe_level(contract.ICD, s), s == chosen) for s in icd.SYSTEMS)


def _diagnoses() -> str:
    lists = {
        name: "".join(_option(code, diagnoses.name_of(code, system)) for code in codes)
        for system, (name, codes) in LISTS.items()
    }
    return "".join(f'<datalist id="{name}">{options}</datalist>' for name, options in lists.items())


def _ages() -> str:
    column = contract.BY_NAME["age"]
    return f'<datalist id="ages">{"".join(_option(describe_level(column, v), "") for v in column.levels)}</datalist>'


def fill(record: Mapping[str, str | int]) -> dict[str, str]:
    """Return the text of every field for one request, as the form shows it; an absent one is what the API assumes."""
    texts = {column.name: str(record.get(column.name, column.assumed or "")) for column in STATED}
    if texts["age"]:
        texts["age"] = describe_level(contract.BY_NAME["age"], texts["age"])
    return texts


def mend(values: Values) -> tuple[dict[str, str], list[str]]:
    """Repair what a person may type: the spelling of diagnosis codes, and an age in years.

    Args:
        values: The form's texts.

    Returns:
        The texts to send, and a sentence for each that the model reads otherwise than it was typed: repaired, or
        translated from ICD-10-CM.
    """
    mended, notes = dict(values), []
    system = system_of(values)
    for column in contract.FEATURE_COLUMNS:
        text = (values.get(column.name) or "").strip()
        if not text or not (column.pattern or column.name == "age") or _is_read_as_typed(column, text, system):
            continue
        meant = suggestions.mend_code(text, system) if column.pattern else _range_of(column, text)
        if not meant:
            continue
        mended[column.name] = meant
        read = _meaning(meant, system) if column.pattern else describe_level(column, meant)
        if read != text:
            notes.append(tr("{field}: “{text}” was read as {value}.", field=tr(column.label), text=text, value=read))
    return mended, notes


def system_of(values: Values) -> icd.System:
    """Return the code system that the form states."""
    return "10cm" if values.get(contract.ICD.name) == "10cm" else "9cm"


def _is_read_as_typed(column: Column, text: str, system: icd.System) -> bool:
    return column.problem(text) is None and not (column.pattern and system == "10cm")


def _meaning(code: str, system: icd.System) -> str:
    """Return a code as the model reads it, with its name."""
    if system == "9cm":
        return diagnoses.describe(code)
    return f"{describe_level(contract.ICD, '9cm')} {diagnoses.describe(icd.to_icd9(code, system))}"


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
            for name in shown
            if mended.get(name, "") != values.get(name, "") and shown[name] != values.get(name)
        },
        "meanings": {name: _named(mended.get(name) or "", system_of(values)) for name in contract.DIAGNOSES},
    }


def _named(code: str, system: icd.System) -> str:
    """Return the name of a code, or what one of ICD-10-CM was read as; empty if it has none or is refused."""
    if system == "9cm":
        return diagnoses.name_of(code)
    return "" if icd.refusal(code, system) else tr("Read as {value}", value=_meaning(code, system))

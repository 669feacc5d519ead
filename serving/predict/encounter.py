"""Encounters of a request: decoded in one pass if they are valid, else explained field by field.

The types come from the contract, and the OpenAPI document from the types. A request that fails is read a second
time, field by field with the same types, so that both ways always agree and a client sees every problem at once.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import compress, repeat
from operator import is_, itemgetter
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from readmission import contract
from readmission.contract import Column, icd, kinds, suggestions
from serving.predict import fields

#: Values of one encounter in the order of `contract.FEATURE_COLUMNS`, then its identifiers; None if absent.
Values = tuple[str | int | None, ...]

_ORDER: tuple[Column, ...] = contract.FEATURE_COLUMNS + tuple(
    column for column in contract.REQUEST_COLUMNS if column.name in contract.IDENTIFIERS
)
#: Position of the code system among `Encounter`'s fields: after the features and the identifiers.
SYSTEM = len(_ORDER)
#: What a request states.
STATED: tuple[Column, ...] = (*_ORDER, contract.ICD)
PATIENT = tuple(column.name for column in _ORDER).index("patient_nbr")


class Problem(Struct, frozen=True, omit_defaults=True):
    """Problem of one field of a request, without the value itself."""

    field: Annotated[str, Meta(description="Column; empty if the problem is the whole body or record.")]
    problem: Annotated[str, Meta(extra_json_schema={"enum": list(fields.PROBLEMS)})]
    allowed: Annotated[str, Meta(description="What the field may hold.")]
    nearest: Annotated[str | int | None, Meta(description="The allowed value that was probably meant.")] = None


class Invalid(Exception):  # noqa: N818 - it is an answer, not a failure
    """Refusal of one encounter, with its problems."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = tuple(problems)


class Aliased(tuple[str | int | None, ...]):
    """Values of a request that used aliases of the contract.

    Attributes:
        body: The request with the contract's own values.
        notes: What was read as what.
    """

    body: bytes
    notes: list[str]


#: Every code is matched once; by a pattern in the decoder's types, half of its time would go into matching.
_match_code = re.compile(rf"(?:{kinds.ICD9_PATTERN}|\?)\Z").match
#: Positions of the diagnoses in `Values`.
DIAGNOSES = tuple(i for i, column in enumerate(_ORDER) if column.pattern)
_diagnoses = itemgetter(*DIAGNOSES)
_codes: set[str | None] = {None}
_CODES = 10_000


def are_codes(diagnoses: Collection[Any]) -> bool:
    """Return whether all diagnoses follow the form of ICD-9-CM or are absent."""
    valid = _codes.issuperset(diagnoses) or all(code is None or _match_code(code) for code in diagnoses)
    if valid:
        if len(_codes) >= _CODES:
            _codes.clear()
        _codes.update(diagnoses)
    return valid


Encounter = msgspec.defstruct(
    "Encounter",
    map(fields.field, STATED),
    rename={fields.identifier(c): c.name for c in STATED},
    forbid_unknown_fields=True,
    kw_only=True,
    gc=False,
)

_decode: Callable[[bytes], Any] = msgspec.json.Decoder(Encounter).decode
_astuple: Callable[[Any], tuple[Any, ...]] = msgspec.structs.astuple
_FIELDS = {c.name: msgspec.json.Decoder(fields.json_type(c)) for c in STATED}
_BY_NAME: Mapping[str, Column] = {c.name: c for c in STATED}
_NAMES = ", ".join(_BY_NAME)
_REQUIRED = tuple(c for c in _ORDER if c.required)
_RAW = msgspec.json.Decoder(dict[str, Raw])
_ALIASES = {name: {msgspec.json.encode(a): b for a, b in pairs.items()} for name, pairs in contract.ALIASES.items()}


def decode(body: bytes) -> Values:
    """Read one encounter.

    Args:
        body: JSON object with the data set's own column names, and the code system of its diagnoses.

    Returns:
        The values in the order of `contract.FEATURE_COLUMNS`, then the identifiers; None where absent. `Aliased` if
        aliases were used.
        Diagnoses in ICD-10-CM are translated (`icd.to_icd9`).

    Raises:
        Invalid: The encounter does not follow the contract; all its problems are listed.
    """
    try:
        values = _astuple(_decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Only here, so that aliases cost a request without them nothing.
        return _decode_aliased(body)
    if values[SYSTEM] == "10cm":
        try:
            return in_icd9(values)
        except icd.RefusedCodeError:
            raise Invalid(problems(body)) from None
    if not _codes.issuperset(diagnoses := _diagnoses(values)) and not are_codes(diagnoses):
        raise Invalid(problems(body))
    return values[:SYSTEM]


def in_icd9(stated: Values) -> Values:
    """Return the values of an encounter whose diagnoses are in ICD-10-CM.

    Raises:
        RefusedCodeError: A code cannot be translated.
    """
    values = list(stated[:SYSTEM])
    for position in DIAGNOSES:
        code = values[position]
        if code is not None and code != contract.MISSING_TOKEN:
            values[position] = icd.to_icd9(str(code), "10cm")
    return tuple(values)


def _decode_aliased(body: bytes) -> Values:
    """Read an encounter that the contract refuses as it is, with its aliases replaced."""
    try:
        raw: dict[str, Any] = _RAW.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid(problems(body)) from None
    meant = {name: level for name, value in raw.items() if (level := _alias(name, value))}
    if not meant:
        raise Invalid(problems(body))
    own = msgspec.json.encode(raw | meant)
    try:
        values = Aliased(decode(own))
    except Invalid:
        raise Invalid(problems(body)) from None
    values.body = own
    values.notes = [f"{name} was read as {level!r}" for name, level in meant.items()]
    return values


def _alias(name: str, raw: Raw) -> str | None:
    return _ALIASES[name].get(bytes(raw)) if name in _ALIASES else None


def problems(body: bytes) -> list[Problem]:
    """Return every problem of one encounter, in the order of its fields."""
    try:
        stated = _RAW.decode(body)
    except msgspec.ValidationError:
        return [Problem("", "type", "a JSON object with the columns of one encounter")]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [Problem("", "json", "a JSON object in UTF-8")]
    system = _declared_system(stated)
    listed = [p for name, raw in stated.items() if (p := _field_problem(name, raw, system)) is not None]
    listed += [Problem(c.name, "missing", c.allowed) for c in _REQUIRED if c.name not in stated]
    # Every last value is right, so a column is named twice.
    return listed or [Problem("", "json", "a JSON object that names each column once")]


def _declared_system(stated: Mapping[str, Raw]) -> icd.System | None:
    """Return the declared code system; None if the declaration is wrong, so that no code can be judged."""
    try:
        declared = _FIELDS[contract.ICD.name].decode(stated.get(contract.ICD.name, b"null"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return declared or icd.SYSTEMS[0]


def _field_problem(name: str, raw: Raw, system: icd.System | None) -> Problem | None:
    column = _BY_NAME.get(name)
    if column is None:
        meant = suggestions.closest(name[:64], list(_BY_NAME))
        return Problem(name[:64], "unknown", f"one of the columns {_NAMES}", meant)
    if _alias(name, raw):
        return None
    try:
        value = _FIELDS[name].decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _describe(column, raw)
    return code_problem(column, value, system) if column.pattern and value is not None and system else None


def code_problem(column: Column, code: str, system: icd.System) -> Problem | None:
    """Return why a code is refused; None if it is allowed, or is the token for "not known"."""
    refusal = icd.refusal(code, system) if code != contract.MISSING_TOKEN else None
    if refusal is None:
        return None
    allowed, nearest = refusal.allowed, suggestions.mend_code(code, system)
    if system == "9cm" and icd.refusal(code, "10cm") is None:
        allowed += f"; an ICD-10-CM code needs '{contract.ICD.name}': '10cm'"
    return Problem(column.name, refusal.problem, fields.allowed(column, allowed), nearest)


def _describe(column: Column, raw: Raw) -> Problem:
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Problem(column.name, "json", fields.allowed(column))
    return Problem(
        column.name, _kind_of_problem(column, value), fields.allowed(column), suggestions.nearest(column, value)
    )


def _kind_of_problem(column: Column, value: object) -> str:
    if value is None:
        return "missing"
    if isinstance(value, bool) or not isinstance(value, str if column.is_text else int):
        return "type"
    return column.violation


def missing(values: Values) -> list[str]:
    """Return the features that were absent; absent drugs count as "No", absent lab results as "None"."""
    return list(compress(contract.FEATURE_NAMES, map(is_, values, repeat(None))))


def missing_in(inputs: Mapping[str, Any]) -> list[str]:
    """Return the features that a request, decoded from JSON, states as absent or null: `missing` without its values."""
    return [name for name in contract.FEATURE_NAMES if inputs.get(name) is None]

"""Encounters of a request: decoded in one pass if they are valid, else explained field by field.

The types come from the contract, and the OpenAPI document from the types. A request that fails is read a second
time, field by field with the same types, so that both ways always agree and a client sees every problem at once.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import compress, repeat
from operator import is_, itemgetter
from typing import Annotated, Any, Literal, Union

import msgspec
from msgspec import Meta, Raw, Struct

from readmission import contract
from readmission.contract import Column, kinds, suggestions

#: Values of one encounter in the order of `COLUMNS`, then its identifiers; None if absent.
Values = tuple[str | int | None, ...]

COLUMNS: tuple[Column, ...] = contract.FEATURE_COLUMNS
_ORDER: tuple[Column, ...] = contract.FEATURE_COLUMNS + tuple(
    column for column in contract.REQUEST_COLUMNS if column.name in contract.IDENTIFIERS
)
#: How many of `Encounter`'s fields are features; the identifiers come after them.
WIDTH = len(COLUMNS)
PATIENT = tuple(column.name for column in _ORDER).index("patient_nbr")
PROBLEMS = ("missing", "unknown", "type", "range", "level", "pattern", "json", "size")


class Problem(Struct, frozen=True, omit_defaults=True):
    """Problem of one field of a request, without the value itself."""

    field: Annotated[str, Meta(description="Column; empty if the problem is the whole body or record.")]
    problem: Annotated[str, Meta(extra_json_schema={"enum": list(PROBLEMS)})]
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
_diagnoses = itemgetter(*(i for i, column in enumerate(_ORDER) if column.pattern))
_codes: set[str | None] = {None}
_CODES = 10_000


def _are_codes(diagnoses: Sequence[str | None]) -> bool:
    valid = all(code is None or _match_code(code) for code in diagnoses)
    if valid:
        if len(_codes) >= _CODES:
            _codes.clear()
        _codes.update(diagnoses)
    return valid


def allowed(column: Column) -> str:
    """Return what a request may state in one column, for people."""
    return column.allowed if column.required else f"{column.allowed}; may be absent or null"


def _json_type(column: Column) -> Any:
    """Return the type of one field; its annotations for the schema cost the decoder nothing."""
    json_type = {"type": "integer" if column.is_number else "string"}
    if column.levels:
        unknown = (contract.MISSING_TOKEN,) if column.nullable and column.is_text else ()
        field_type: Any = Annotated[Literal[(*column.values(), *unknown)], Meta(extra_json_schema=json_type)]
    elif column.pattern:
        field_type = Annotated[str, Meta(pattern=rf"^(?:{column.pattern}|\?)\Z")]
    else:
        field_type = Annotated[int, Meta(ge=column.minimum, le=column.maximum)]
    return field_type if column.required else Union[field_type, None]  # noqa: UP007 - built at run time


def _identifier(column: Column) -> str:
    return column.name.replace("-", "_")


def _field(column: Column) -> tuple[Any, ...]:
    """Return the field of one column: name, type with its description, and None as the default of an optional one."""
    field_type: Any = _json_type(column)
    if column.pattern:
        # The schema states the pattern; the decoder leaves it to `_are_codes`. JSON schema knows no \Z.
        field_type = Annotated[str, Meta(extra_json_schema={"pattern": rf"^({column.pattern}|\?)$"})]
    if column.required:
        return _identifier(column), Annotated[field_type, Meta(description=f"{column.label}.")]
    description = f"{column.label}. Absent: {column.assumed or 'unknown'}."
    optional: Any = Union[field_type, None]  # noqa: UP007 - built at run time
    return _identifier(column), Annotated[optional, Meta(description=description)], None


Encounter = msgspec.defstruct(
    "Encounter",
    map(_field, _ORDER),
    rename={_identifier(c): c.name for c in _ORDER},
    forbid_unknown_fields=True,
    kw_only=True,
    gc=False,
)

_decode: Callable[[bytes], Any] = msgspec.json.Decoder(Encounter).decode
_astuple: Callable[[Any], tuple[Any, ...]] = msgspec.structs.astuple
_FIELDS = {c.name: msgspec.json.Decoder(_json_type(c)) for c in _ORDER}
_BY_NAME: Mapping[str, Column] = {c.name: c for c in _ORDER}
_NAMES = ", ".join(_BY_NAME)
_REQUIRED = tuple(c for c in _ORDER if c.required)
_RAW = msgspec.json.Decoder(dict[str, Raw])
_ALIASES = {name: {msgspec.json.encode(a): b for a, b in pairs.items()} for name, pairs in contract.ALIASES.items()}


def decode(body: bytes) -> Values:
    """Read one encounter.

    Args:
        body: JSON object with the data set's own column names.

    Returns:
        The values in the order of `COLUMNS`, then the identifiers; None where absent. `Aliased` if aliases were used.

    Raises:
        Invalid: The encounter does not follow the contract; all its problems are listed.
    """
    try:
        values = _astuple(_decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Only here, so that aliases cost a request without them nothing.
        return _decode_aliased(body)
    if not _codes.issuperset(diagnoses := _diagnoses(values)) and not _are_codes(diagnoses):
        raise Invalid(problems(body))
    return values


def _decode_aliased(body: bytes) -> Values:
    """Read an encounter that the contract refuses as it is, with its aliases replaced."""
    try:
        fields: dict[str, Any] = _RAW.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid(problems(body)) from None
    meant = {name: level for name, raw in fields.items() if (level := _alias(name, raw))}
    if not meant:
        raise Invalid(problems(body))
    own = msgspec.json.encode(fields | meant)
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
        fields = _RAW.decode(body)
    except msgspec.ValidationError:
        return [Problem("", "type", "a JSON object with the columns of one encounter")]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [Problem("", "json", "a JSON object in UTF-8")]
    listed = [p for name, raw in fields.items() if (p := _field_problem(name, raw)) is not None]
    listed += [Problem(c.name, "missing", c.allowed) for c in _REQUIRED if c.name not in fields]
    return listed or [Problem("", "json", "a JSON object in UTF-8")]


def _field_problem(name: str, raw: Raw) -> Problem | None:
    column = _BY_NAME.get(name)
    if column is None:
        meant = suggestions.closest(name[:64], list(_BY_NAME))
        return Problem(name[:64], "unknown", f"one of the columns {_NAMES}", meant)
    if _alias(name, raw):
        return None
    try:
        _FIELDS[name].decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _describe(column, raw)
    return None


def _describe(column: Column, raw: Raw) -> Problem:
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Problem(column.name, "json", allowed(column))
    return Problem(column.name, _kind_of_problem(column, value), allowed(column), suggestions.nearest(column, value))


def _kind_of_problem(column: Column, value: object) -> str:
    if value is None:
        return "missing"
    if isinstance(value, bool) or not isinstance(value, str if column.is_text else int):
        return "type"
    return column.violation


def from_text(row: Mapping[str, str]) -> Values:
    """Read one encounter of a CSV file, whose values are text; empty or ``?`` means absent.

    Raises:
        Invalid: The encounter does not follow the contract; all its problems are listed.
    """
    listed: list[Problem] = []
    values: list[str | int | None] = []
    for column in _ORDER:
        text = row.get(column.name) or contract.MISSING_TOKEN
        if text == contract.MISSING_TOKEN and not column.required:
            values.append(None)
            continue
        problem = column.problem(text)
        if problem is not None:
            listed.append(Problem(column.name, problem, allowed(column), suggestions.nearest(column, text)))
            continue
        values.append(column.parse(text))
    if listed:
        raise Invalid(listed)
    return tuple(values)


def missing(values: Values) -> list[str]:
    """Return the features that were absent; absent drugs count as "No", absent lab results as "None"."""
    return list(compress(contract.FEATURE_NAMES, map(is_, values, repeat(None))))


def as_request(values: Values) -> dict[str, str | int]:
    """Return the JSON object that decodes to these values."""
    pairs = zip(_ORDER, values, strict=True)
    return {column.name: value for column, value in pairs if value is not None}

"""Decode and judge the encounters of a request: one C pass when all is well, sentences when not.

The types come from the contract. A request that fails is read a second time, field by field with
the same types, so that both ways always agree and a person sees every mistake at once.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import compress, repeat
from operator import is_, itemgetter
from typing import Annotated, Any, Literal, Union

import msgspec
from msgspec import Meta, Raw, Struct

from readmission import contract
from readmission.contract import Column, kinds

#: What one row holds, in the order of `COLUMNS`; None: absent.
Values = tuple[str | int | None, ...]

COLUMNS: tuple[Column, ...] = contract.FEATURE_COLUMNS
_ORDER: tuple[Column, ...] = contract.FEATURE_COLUMNS + tuple(
    column for column in contract.REQUEST_COLUMNS if column.name in contract.IDENTIFIERS
)
#: How many of `Encounter`'s fields are features; the identifiers come after them.
WIDTH = len(COLUMNS)
PATIENT = tuple(column.name for column in _ORDER).index("patient_nbr")


class Problem(Struct, frozen=True, omit_defaults=True):
    """State one mistake of a request; never holds the value itself.

    Attributes:
        field: the column, or empty when the whole body or record is meant.
        problem: ``missing``, ``unknown``, ``type``, ``range``, ``level``, ``pattern``, ``json`` or ``size``.
        allowed: what may stand there.
        index: position of the record in a batch.
    """

    field: str
    problem: str
    allowed: str
    index: int | None = None


class Invalid(Exception):  # noqa: N818 - it is an answer, not a failure
    """Carry the problems of one encounter."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = tuple(problems)


#: Every code is matched once; by a pattern in the decoder's types, half of its time would go into matching.
_match_code = re.compile(rf"(?:{kinds.ICD9_PATTERN}|\?)\Z").match
_diagnoses = itemgetter(*(i for i, column in enumerate(_ORDER) if column.pattern))
_codes: set[str | None] = {None}
_CODES = 10_000


def _are_codes(given: Sequence[str | None]) -> bool:
    good = all(code is None or _match_code(code) for code in given)
    if good:
        if len(_codes) >= _CODES:
            _codes.clear()
        _codes.update(given)
    return good


def _json_type(column: Column) -> Any:
    if column.levels:
        unknown = (contract.MISSING_TOKEN,) if column.nullable and column.is_text else ()
        kind: Any = Literal[(*column.values(), *unknown)]
    elif column.pattern:
        kind = Annotated[str, Meta(pattern=rf"^(?:{column.pattern}|\?)\Z")]
    else:
        kind = Annotated[int, Meta(ge=column.minimum, le=column.maximum)]
    return kind if column.required else Union[kind, None]  # noqa: UP007 - built at run time


def allowed(column: Column) -> str:
    """Say what a request may hold in one column."""
    return column.allowed if column.required else f"{column.allowed}; may be absent or null"


def _identifier(column: Column) -> str:
    return column.name.replace("-", "_")


def _field(column: Column) -> tuple[Any, ...]:
    name, kind = _identifier(column), str if column.pattern else _json_type(column)
    return (name, kind) if column.required else (name, Union[kind, None], None)  # noqa: UP007 - built at run time


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


def decode(body: bytes) -> Values:
    """Read one encounter.

    Args:
        body: a JSON object with the data set's own column names.

    Returns:
        The values in the order of `COLUMNS`, then encounter_id and patient_nbr; None where absent.

    Raises:
        Invalid: with every problem of the encounter.
    """
    try:
        values = _astuple(_decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid(problems(body)) from None
    if not _codes.issuperset(given := _diagnoses(values)) and not _are_codes(given):
        raise Invalid(problems(body))
    return values


def problems(body: bytes) -> list[Problem]:
    """List everything that is wrong with one encounter, in the order of its fields."""
    try:
        given = _RAW.decode(body)
    except msgspec.ValidationError:
        return [Problem("", "type", "a JSON object with the columns of one encounter")]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [Problem("", "json", "a JSON object in UTF-8")]
    found = [p for name, raw in given.items() if (p := _field_problem(name, raw)) is not None]
    found += [Problem(c.name, "missing", c.allowed) for c in _REQUIRED if c.name not in given]
    return found or [Problem("", "json", "a JSON object in UTF-8")]


def _field_problem(name: str, raw: Raw) -> Problem | None:
    column = _BY_NAME.get(name)
    if column is None:
        return Problem(name[:64], "unknown", f"one of the columns {_NAMES}")
    try:
        _FIELDS[name].decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Problem(name, _kind_of_problem(column, raw), allowed(column))
    return None


def _kind_of_problem(column: Column, raw: Raw) -> str:
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "json"
    if value is None:
        return "missing"
    if isinstance(value, bool) or not isinstance(value, str if column.is_text else int):
        return "type"
    return column.violation


def from_text(row: Mapping[str, str]) -> Values:
    """Read one encounter of a CSV file: every value is text, empty or ``?`` means absent.

    Raises:
        Invalid: with every problem of the encounter.
    """
    found: list[Problem] = []
    values: list[str | int | None] = []
    for column in _ORDER:
        text = row.get(column.name) or contract.MISSING_TOKEN
        if text == contract.MISSING_TOKEN and not column.required:
            values.append(None)
            continue
        problem = column.problem(text)
        if problem is not None:
            found.append(Problem(column.name, problem, allowed(column)))
            continue
        values.append(column.parse(text))
    if found:
        raise Invalid(found)
    return tuple(values)


def missing(values: Values) -> list[str]:
    """Name the features that were absent (drugs are then taken as "No", lab results as "None")."""
    return list(compress(contract.FEATURE_NAMES, map(is_, values, repeat(None))))


def as_request(values: Values) -> dict[str, str | int]:
    """Turn values back into the JSON object that decodes to them."""
    pairs = zip(_ORDER, values, strict=True)
    return {column.name: value for column, value in pairs if value is not None}

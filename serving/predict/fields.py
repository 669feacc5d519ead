"""Fields of a request: their JSON types for the decoder and the OpenAPI document, from the contract."""

from typing import Annotated, Any, Literal, Union

from msgspec import Meta

from readmission import contract
from readmission.contract import Column, icd

#: What may be wrong with a field, a record or a body.
PROBLEMS = (
    "missing",
    "unknown",
    "twice",
    "type",
    "range",
    "level",
    "pattern",
    "unlisted",
    "unmapped",
    "ambiguous",
    "json",
    "size",
)


def allowed(column: Column, text: str = "") -> str:
    """Return what a request may state in one column, for people.

    Args:
        column: The column.
        text: Its values in words. If omitted, the column's own.
    """
    text = column.or_unknown(text or column.values_in_words)
    return text if column.required else f"{text}; may be absent or null"


def json_type(column: Column) -> Any:
    """Return the type of one field; its annotations for the schema cost the decoder nothing."""
    json_type = {"type": "integer" if column.is_number else "string"}
    if column.levels:
        unknown = (contract.MISSING_TOKEN,) if column.nullable and column.is_text else ()
        field_type: Any = Annotated[Literal[(*column.values(), *unknown)], Meta(extra_json_schema=json_type)]
    elif column.pattern:
        field_type = str  # A code is judged by the declared code system.
    else:
        field_type = Annotated[int, Meta(ge=column.minimum, le=column.maximum)]
    return field_type if column.required else Union[field_type, None]  # noqa: UP007 - built at run time


def identifier(column: Column) -> str:
    """Return the name of a column as an attribute."""
    return column.name.replace("-", "_")


def field(column: Column) -> tuple[Any, ...]:
    """Return the field of one column: name, type with its description, and None as the default of an optional one."""
    field_type: Any = json_type(column)
    if column.pattern:
        # The schema states the pattern of either code system; the decoder leaves it to others. JSON schema knows no \Z.
        either = rf"^({column.pattern}|{icd.ICD10_PATTERN}|\?)$"
        field_type = Annotated[str, Meta(extra_json_schema={"pattern": either})]
    if column.required:
        return identifier(column), Annotated[field_type, Meta(description=f"{column.label}.")]
    description = f"{column.label}. Absent: {column.assumed or 'unknown'}."
    optional: Any = Union[field_type, None]  # noqa: UP007 - built at run time
    return identifier(column), Annotated[optional, Meta(description=description)], None

"""The OpenAPI document describes what the decoder takes."""

import json
from typing import Any

import pytest

from readmission import contract
from serving.predict import encounter
from serving.predict.encounter import Invalid
from serving.routes import openapi

SCHEMAS: dict[str, Any] = openapi.document()["components"]["schemas"]
FIELDS: dict[str, Any] = SCHEMAS["Encounter"]["properties"]


def values_schema(column: contract.Column) -> dict[str, Any]:
    """Return the schema of the values of a column, without null."""
    schema = FIELDS[column.name]
    return schema["anyOf"][0] if "anyOf" in schema else schema


@pytest.mark.parametrize("column", contract.REQUEST_COLUMNS, ids=lambda column: column.name)
def test_a_field_states_type_limits_and_meaning(column: contract.Column) -> None:
    schema, values = FIELDS[column.name], values_schema(column)
    assert schema["description"].startswith(column.label)
    assert values["type"] == ("integer" if column.is_number else "string")
    assert ({"type": "null"} in schema.get("anyOf", [])) == (not column.required)
    if column.levels:
        unknown = {contract.MISSING_TOKEN} if column.nullable else set()
        assert set(values["enum"]) == {*column.values(), *unknown}
    elif column.pattern:
        assert column.pattern in values["pattern"]
    else:
        assert (values["minimum"], values["maximum"]) == (column.minimum, column.maximum)


@pytest.mark.parametrize("column", [c for c in contract.REQUEST_COLUMNS if c.is_number and not c.levels])
def test_the_decoder_keeps_to_the_limits_of_the_document(column: contract.Column) -> None:
    limits = values_schema(column)
    for value in (limits["minimum"], limits["maximum"]):
        encounter.decode(json.dumps({**contract.EXAMPLE, column.name: value}).encode())
    for value in (limits["minimum"] - 1, limits["maximum"] + 1):
        with pytest.raises(Invalid):
            encounter.decode(json.dumps({**contract.EXAMPLE, column.name: value}).encode())


def test_required_fields_and_the_example_are_those_of_the_contract() -> None:
    schema = SCHEMAS["Encounter"]
    assert set(schema["required"]) == {c.name for c in contract.REQUEST_COLUMNS if c.required}
    assert schema["example"] == dict(contract.EXAMPLE)
    assert schema["additionalProperties"] is False


def test_bodies_and_answers_are_described() -> None:
    assert SCHEMAS["Records"]["properties"]["records"] == {
        "type": "array",
        "minItems": 1,
        "items": {"$ref": "#/components/schemas/Encounter"},
    }
    assert set(SCHEMAS["Report"]["properties"]["outcome"]["enum"]) == set(contract.CLASSES)
    assert SCHEMAS["Report"]["properties"]["observed_at"]["anyOf"][0]["format"] == "date-time"
    assert SCHEMAS["Answer"]["properties"]["prediction"]["enum"] == list(contract.CLASSES)
    assert SCHEMAS["ClassProbabilities"]["properties"]["<30"] == {"type": "number", "minimum": 0, "maximum": 1}

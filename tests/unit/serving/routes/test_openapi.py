"""The OpenAPI document describes what the decoder takes."""

import json
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import validate

from readmission import contract
from serving.http import Sentence
from serving.predict import encounter
from serving.predict.encounter import Invalid
from serving.routes import openapi
from serving.routes.refusals import Refusal

DOCUMENT = openapi.document()
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
FIELDS: dict[str, Any] = SCHEMAS["Encounter"]["properties"]


def values_schema(column: contract.Column) -> dict[str, Any]:
    """Return the schema of the values of a column, without null."""
    schema = FIELDS[column.name]
    schema = schema["anyOf"][0] if "anyOf" in schema else schema
    reference = schema.get("$ref") or schema.get("allOf", [{}])[0].get("$ref")
    return SCHEMAS[reference.rpartition("/")[2]] if reference else schema


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
    assert schema["examples"] == [dict(contract.EXAMPLE)]
    assert schema["additionalProperties"] is False


def test_bodies_and_answers_are_described() -> None:
    assert SCHEMAS["Records"]["properties"]["records"] == {
        "type": "array",
        "minItems": 1,
        "items": {"$ref": "#/components/schemas/Encounter"},
    }
    outcome = {"$ref": "#/components/schemas/Outcome"}
    assert SCHEMAS["Report"]["properties"]["outcome"] == outcome == SCHEMAS["Answer"]["properties"]["prediction"]
    assert set(SCHEMAS["Outcome"]["enum"]) == set(contract.CLASSES)
    assert SCHEMAS["Report"]["properties"]["observed_at"]["anyOf"][0]["format"] == "date-time"
    share = {"type": "number", "minimum": 0, "maximum": 1}
    assert SCHEMAS["ClassProbabilities"]["additionalProperties"] == share


def test_the_document_is_valid_and_every_answer_of_json_has_a_schema() -> None:
    validate(DOCUMENT)
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            assert set(operation["tags"]) <= tags and operation["description"]
            for code, answer in operation["responses"].items():
                assert answer["content"], (path, code)
                assert "X-Request-Id" in answer["headers"]
                assert code != "503" or path == "/health" or "Retry-After" in answer["headers"]
                # Record systems sign their calls; everybody else has a key.
                scheme = "jwt" if path.startswith("/cds-services") else "key"
                assert "401" not in operation["responses"] or {scheme: []} in operation["security"]


@pytest.mark.parametrize("type_", openapi.TYPES, ids=lambda type_: type_.__name__)
def test_examples_are_of_their_type(type_: Any) -> None:
    for example in SCHEMAS[type_.__name__].get("examples", ()):
        msgspec.json.decode(msgspec.json.encode(example), type=type_)


def test_examples_of_refusals_are_of_their_type() -> None:
    for operation in (o for methods in DOCUMENT["paths"].values() for o in methods.values()):
        for code in set(operation["responses"]) - {"200", "202"}:
            content = operation["responses"][code]["content"].get("application/json", {})
            if "$ref" not in content.get("schema", {}):
                continue  # of a standard, which has examples of its own
            if "example" in content:
                type_ = {"Refusal": Refusal, "Sentence": Sentence}[content["schema"]["$ref"].rpartition("/")[2]]
                msgspec.convert(content["example"], type_)

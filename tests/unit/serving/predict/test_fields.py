"""Fields of a request follow the contract: names, allowed values in words, patterns of both code systems."""

import re

import msgspec
import pytest

from readmission import contract
from serving.predict import fields


@pytest.mark.parametrize("column", contract.REQUEST_COLUMNS, ids=lambda column: column.name)
def test_a_field_takes_the_values_of_its_column(column: contract.Column) -> None:
    decode = msgspec.json.Decoder(fields.json_type(column)).decode
    for value in column.values():
        assert decode(msgspec.json.encode(value)) == value
    if column.required:
        assert fields.allowed(column) == column.allowed
    else:
        assert decode(b"null") is None
        assert fields.allowed(column) == f"{column.allowed}; may be absent or null"
    assert fields.identifier(column).isidentifier()


def test_the_schema_of_a_diagnosis_has_the_form_of_either_code_system() -> None:
    name, field_type, default = fields.field(contract.BY_NAME["diag_1"])
    (schema, _) = msgspec.json.schema_components([field_type])
    pattern = re.search(r"'pattern': '(.*?)'", str(schema).replace("\\\\", "\\"))
    assert name == "diag_1" and default is None and pattern
    assert all(re.fullmatch(pattern[1], code) for code in ("428", "V27", "E878", "I50.9", "E1165", "?"))
    assert not any(re.fullmatch(pattern[1], code) for code in ("", "cancer", "4280", "i50"))

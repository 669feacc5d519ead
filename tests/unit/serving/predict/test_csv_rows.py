"""A row of a CSV file is read as a request is; what it states is kept."""

import pytest

from readmission import contract
from serving.predict import csv_rows
from serving.predict.encounter import Invalid

ROW = {name: str(value) for name, value in contract.EXAMPLE.items()}


@pytest.mark.parametrize("absent", [{}, {"icd": ""}, {"icd": "?"}, {"icd": "9cm"}])
def test_a_row_without_a_declaration_is_in_icd9(absent: dict[str, str]) -> None:
    assert csv_rows.read(ROW | absent)[contract.FEATURE_NAMES.index("diag_1")] == "428"
    with pytest.raises(Invalid) as caught:
        csv_rows.read(ROW | absent | {"diag_1": "I50.9"})
    assert [(p.field, p.problem) for p in caught.value.problems] == [("diag_1", "pattern")]


def test_a_wrong_declaration_is_the_only_problem() -> None:
    with pytest.raises(Invalid) as caught:
        csv_rows.read(ROW | {"icd": "ten", "diag_1": "I50.9"})
    assert [(p.field, p.problem) for p in caught.value.problems] == [("icd", "level")]


def test_the_request_keeps_the_codes_and_the_declaration() -> None:
    row = ROW | {"icd": "10cm", "diag_1": "I50.9", "diag_2": "E1122", "diag_3": "?"}
    assert csv_rows.read(row)[contract.FEATURE_NAMES.index("diag_1")] == "428"
    sent = csv_rows.as_request(row)
    assert (sent["icd"], sent["diag_1"], sent["diag_2"], "diag_3" in sent) == ("10cm", "I50.9", "E1122", False)


def test_columns_that_are_unknown_or_come_twice_are_problems_of_the_file() -> None:
    assert csv_rows.header_problems([*contract.COLUMN_NAMES, "icd"]) == []
    problems = csv_rows.header_problems(["age", "insulinn", "gender", "age", "ward"])
    assert [(p.field, p.problem, p.nearest) for p in problems] == [
        ("age", "twice", None),
        ("insulinn", "unknown", "insulin"),
        ("ward", "unknown", None),
    ]

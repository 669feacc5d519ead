"""The contract: one source of columns, levels and ranges."""

import pytest
from hypothesis import given, strategies

from readmission import contract
from readmission.contract import codes


def test_the_columns_are_those_of_the_file_in_its_order() -> None:
    assert len(contract.COLUMNS) == 50
    assert contract.COLUMN_NAMES[:3] == ("encounter_id", "patient_nbr", "race")
    assert contract.COLUMN_NAMES[-1] == "readmitted"
    assert len(codes.DRUGS) == 23
    assert len(contract.FEATURE_NAMES) == 47


def test_the_example_is_a_request_that_the_contract_allows() -> None:
    for name, value in contract.EXAMPLE.items():
        assert contract.BY_NAME[name].problem(str(value)) is None
    required = {column.name for column in contract.FEATURE_COLUMNS if column.required}
    assert required <= set(contract.EXAMPLE)
    assert required == {
        "age",
        "gender",
        "time_in_hospital",
        "num_lab_procedures",
        "num_procedures",
        "num_medications",
        "number_diagnoses",
    }


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("race", "?", None),
        ("race", "Martian", "level"),
        ("gender", "?", "missing"),
        ("age", "[70-80)", None),
        ("age", "75", "level"),
        ("time_in_hospital", "0", "range"),
        ("time_in_hospital", "14", None),
        ("time_in_hospital", "3.5", "type"),
        ("time_in_hospital", "03", "type"),
        ("time_in_hospital", "٣", "type"),
        ("time_in_hospital", "", "missing"),
        ("admission_type_id", "9", "level"),
        ("admission_type_id", "01", "level"),
        ("encounter_id", "0", "range"),
        ("encounter_id", "-4", "type"),
        ("diag_1", "250.83", None),
        ("diag_1", "V27", None),
        ("diag_1", "E878.1", None),
        ("diag_1", "2500", "pattern"),
        ("diag_1", "?", None),
        ("A1Cresult", "None", None),
        ("A1Cresult", "?", "missing"),
        ("insulin", "Steady", None),
        ("readmitted", "<30", None),
    ],
)
def test_what_a_column_may_hold(name: str, text: str, problem: str | None) -> None:
    assert contract.BY_NAME[name].problem(text) == problem


@given(strategies.sampled_from(contract.COLUMNS), strategies.text(max_size=20))
def test_judging_any_text_never_fails(column: contract.Column, text: str) -> None:
    assert column.problem(text) in (None, "missing", "type", "range", "level", "pattern")
    assert column.allowed

"""The contract applied to a frame: reasons by row, and contradictions among values that are each allowed."""

import pandas as pd
import pytest

from readmission import contract
from readmission.contract import validation


@pytest.fixture
def frame() -> pd.DataFrame:
    row = {column.name: column.text(None) for column in contract.COLUMNS}
    row |= {name: str(value) for name, value in contract.EXAMPLE.items()}
    row |= {"encounter_id": "1", "patient_nbr": "2", contract.TARGET: "NO"}
    return pd.DataFrame([row, row], index=[7, 9], dtype="str")


def test_accepted_rows_have_no_reasons(frame: pd.DataFrame) -> None:
    assert validation.problems(frame) == {}


def test_every_problem_of_a_row_is_named_under_its_label(frame: pd.DataFrame) -> None:
    frame.loc[9, ["age", "time_in_hospital"]] = ["75", "99"]
    reasons = validation.problems(frame)
    assert list(reasons) == [9]
    assert [(reason["field"], reason["problem"]) for reason in reasons[9]] == [
        ("age", "level"),
        ("time_in_hospital", "range"),
    ]


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("diabetesMed", {"diabetesMed": "No", "change": "No", "metformin": "Steady", "insulin": "Steady"}),
        ("change", {"change": "No"}),
        ("number_diagnoses", {"number_diagnoses": "2"}),
        ("num_medications", {"num_medications": "1"}),
        (contract.TARGET, {"discharge_disposition_id": "11", contract.TARGET: "<30"}),
    ],
)
def test_values_that_cannot_all_be_true_are_refused(frame: pd.DataFrame, field: str, changes: dict[str, str]) -> None:
    frame.loc[7, list(changes)] = list(changes.values())
    reasons = validation.problems(frame)
    assert [(reason["field"], reason["problem"]) for reason in reasons[7]] == [(field, "contradiction")]
    assert 9 not in reasons


def test_every_contradiction_is_tested() -> None:
    assert set(validation.CONTRADICTIONS) == {
        "diabetesMed",
        "change",
        "number_diagnoses",
        "num_medications",
        contract.TARGET,
    }

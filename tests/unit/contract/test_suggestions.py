"""The allowed value that was probably meant."""

import pytest

from readmission import contract
from readmission.contract.suggestions import closest, mend_code, nearest


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("age", "72", "[70-80)"),
        ("age", 72, "[70-80)"),
        ("age", "[70-81)", "[70-80)"),
        ("age", "old", None),
        ("age", "120", None),
        ("gender", "female", "Female"),
        ("insulin", "steady", "Steady"),
        ("change", "yes", "Ch"),
        ("A1Cresult", ">8%", ">8"),
        ("medical_specialty", "Internal Medicine", "InternalMedicine"),
        ("time_in_hospital", "3", 3),
        ("time_in_hospital", 99, None),
        ("admission_type_id", "Elective", 3),
        ("diag_1", "4280", "428.0"),
        ("diag_1", "E11.9", None),
        ("age", None, None),
        ("age", True, None),
        ("gender", "F" * 1000, None),
    ],
)
def test_the_nearest_value(column: str, value: object, expected: object) -> None:
    assert nearest(contract.BY_NAME[column], value) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("v27", "V27"),
        ("e878", "E878"),
        ("e8781", "E878.1"),
        ("25083", "250.83"),
        ("250,83", "250.83"),
        (" 428 ", "428"),
        ("428.", "428"),
        ("I50.9", None),
        ("heart", None),
        ("", None),
        ("?", None),
    ],
)
def test_codes_are_mended_to_their_usual_spelling(text: str, code: str | None) -> None:
    assert mend_code(text) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [("e1165", "E11.65"), ("i50,9", "I50.9"), ("E878", "E87.8"), ("s72001a", "S72.001A"), ("428", None), ("", None)],
)
def test_codes_of_icd10_are_mended_to_billable_ones(text: str, code: str | None) -> None:
    assert mend_code(text, "10cm") == code


def test_a_misspelt_column_is_found_by_its_letters() -> None:
    assert closest("metforminn", contract.FEATURE_NAMES) == "metformin"
    assert closest("zzz", contract.FEATURE_NAMES) is None

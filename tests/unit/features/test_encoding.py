import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readmission import contract
from readmission.contract import kinds
from readmission.features import encoding, icd9

NAMES = [feature.name for feature in encoding.FEATURES]


def text_frame(**values: str) -> pd.DataFrame:
    """One row of raw text: everything unknown but what is given."""
    return pd.DataFrame([dict.fromkeys(contract.FEATURE_NAMES, "?") | values])


def row(**values: str) -> dict[str, float]:
    return dict(zip(NAMES, encoding.encode(encoding.typed_frame(text_frame(**values)))[0], strict=True))


@pytest.mark.parametrize(
    ("code", "number", "chapter"),
    [
        ("250.83", 250.83, "endocrine"),
        ("8", 8, "infectious"),
        ("428", 428, "circulatory"),
        ("785", 785, "symptoms"),
        ("V27", 1027, "supplementary"),
        ("428.9", 428, "circulatory"),
        ("139.99", 139, "infectious"),
        ("V45.1", 1045, "supplementary"),
        ("E878", 2878, "external"),
        ("E878.1", 2878, "external"),
    ],
)
def test_codes_are_ordered_numbers_with_a_chapter(code: str, number: float, chapter: str) -> None:
    parsed = icd9.parse(code)
    assert parsed.number == number
    assert icd9.CHAPTER_NAMES[int(parsed.chapter)] == chapter


def test_the_whole_code_raises_the_flags_and_older_models_read_its_number() -> None:
    cut, whole = icd9.parse("V45.1"), icd9.parse("V45.1", "whole")
    assert (cut.number, whole.number) == (1045, 1045.1)
    assert cut.flags == whole.flags != icd9.parse("V45").flags
    assert icd9.parse("250.83") == icd9.parse("250.83", "whole")


@given(st.from_regex(kinds.ICD9_PATTERN, fullmatch=True).filter(str.isascii))
def test_every_code_of_the_contract_can_be_read(code: str) -> None:
    parsed = icd9.parse(code)
    assert 0 <= parsed.number < 3000
    assert set(parsed.flags) <= {0.0, 1.0}


@pytest.mark.parametrize(
    ("code", "groups"),
    [
        ("250.42", {"diabetes_renal", "diabetes_complicated", "diabetes_uncontrolled"}),
        ("250.00", set()),
        ("V45.1", {"renal_failure"}),
        ("402.91", {"heart_failure", "hypertension_complicated"}),
        ("398.91", {"heart_failure"}),
        ("197", {"metastatic"}),
        ("998", {"complication_of_care"}),
    ],
)
def test_comorbidity_groups(code: str, groups: set[str]) -> None:
    assert {n for n, flag in zip(icd9.FLAG_NAMES, icd9.parse(code).flags, strict=True) if flag} == groups


def test_any_of_the_three_diagnoses_raises_a_flag() -> None:
    for name in contract.DIAGNOSES:
        assert row(**{name: "428"})["heart_failure"] == 1
    assert row(diag_1="250.13")["heart_failure"] == 0


def test_unknown_is_nan_and_none_is_a_level() -> None:
    encoded = row(max_glu_serum="None", A1Cresult="?", age="[70-80)", insulin="Up")
    assert encoded["max_glu_serum"] == 0
    assert math.isnan(encoded["A1Cresult"])
    assert encoded["age"] == 7
    assert encoded["insulin"] == contract.BY_NAME["insulin"].levels.index("Up")
    assert math.isnan(encoded["diag_1_number"])
    assert math.isnan(encoded["admission_type_id"])


def test_an_absent_column_is_an_unknown_one() -> None:
    frame = encoding.typed_frame(text_frame(age="[50-60)", time_in_hospital="3"))
    present = frame[["age", "time_in_hospital"]]
    np.testing.assert_array_equal(encoding.encode(frame), encoding.encode(present))


def test_a_level_outside_the_contract_is_refused() -> None:
    with pytest.raises(ValueError, match="race"):
        row(race="Martian")


def test_the_typed_frame_has_the_documented_types() -> None:
    raw = text_frame(num_medications="7", race="?", max_glu_serum="None").assign(
        encounter_id="12", patient_nbr="34", readmitted="NO", batch_id=1
    )
    frame = encoding.typed_frame(raw)
    assert frame["encounter_id"].dtype == "int64"
    assert frame["num_medications"].dtype == "float64"
    assert frame["discharge_disposition_id"].dtype == "float64"
    assert frame["race"].dtype == "str"
    assert frame["race"].isna().all()
    assert frame["max_glu_serum"].tolist() == ["None"]
    assert frame["batch_id"].tolist() == [1]


def test_target_is_the_position_in_the_contracts_classes() -> None:
    frame = pd.DataFrame({"readmitted": ["<30", "NO", ">30"]})
    assert encoding.target(frame).tolist() == [2, 0, 1]
    with pytest.raises(ValueError, match="readmitted"):
        encoding.target(pd.DataFrame({"readmitted": ["maybe"]}))

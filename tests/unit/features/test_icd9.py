"""ICD-9 codes as numbers, chapters and flags."""

import math

import pytest

from readmission.features import icd9


@pytest.mark.parametrize(("code", "number"), [("250.83", 250.83), ("428.9", 428), ("V45.1", 1045), ("E878", 2878)])
def test_a_code_is_the_number_of_its_category_and_diabetes_keeps_its_decimals(code: str, number: float) -> None:
    assert icd9.parse(code).number == number


def test_flags_are_read_from_the_whole_code() -> None:
    flags = dict(zip(icd9.FLAG_NAMES, icd9.parse("250.42").flags, strict=True))
    assert {name for name, flag in flags.items() if flag} >= {"diabetes_renal", "diabetes_uncontrolled"}
    assert not dict(zip(icd9.FLAG_NAMES, icd9.parse("250.40").flags, strict=True))["diabetes_uncontrolled"]


def test_of_a_code_that_is_not_known_nothing_is() -> None:
    assert math.isnan(icd9.UNKNOWN_CODE.number) and math.isnan(icd9.UNKNOWN_CODE.chapter)
    assert not any(icd9.UNKNOWN_CODE.flags)

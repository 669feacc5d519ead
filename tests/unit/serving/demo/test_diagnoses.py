"""The diagnoses that the form offers."""

from readmission import contract
from serving.demo import diagnoses


def test_every_code_is_of_the_contract_and_has_a_name_of_its_own() -> None:
    assert all(contract.BY_NAME["diag_1"].problem(code) is None for code in diagnoses.COMMON)
    assert len(set(diagnoses.COMMON.values())) == len(diagnoses.COMMON)


def test_a_code_with_decimals_has_the_name_of_its_category() -> None:
    assert diagnoses.describe("428.0") == "428.0 · Heart failure"
    assert diagnoses.describe("999") == "999"


def test_every_offered_code_of_icd10_is_translated_and_has_a_name() -> None:
    assert [code for code in diagnoses.COMMON_ICD10 if not diagnoses.name_of(code, "10cm")] == []
    assert len(set(diagnoses.COMMON_ICD10)) == len(diagnoses.COMMON_ICD10)
    assert diagnoses.describe("I50.9", "10cm") == "I50.9 · Heart failure"


def test_only_codes_of_icd10_are_translated_and_refused_ones_left_out() -> None:
    record = {"diag_1": "E1165", "diag_2": "U07.1", "diag_3": "I50.9"}
    assert diagnoses.translated(record) == {}
    assert diagnoses.translated({**record, "icd": "10cm"}) == {"diag_1": "250.8", "diag_3": "428"}

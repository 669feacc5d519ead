"""The diagnoses that the form offers."""

from readmission import contract
from serving.demo import diagnoses


def test_every_code_is_of_the_contract_and_has_a_name_of_its_own() -> None:
    assert all(contract.BY_NAME["diag_1"].problem(code) is None for code in diagnoses.COMMON)
    assert len(set(diagnoses.COMMON.values())) == len(diagnoses.COMMON)


def test_a_code_with_decimals_has_the_name_of_its_category() -> None:
    assert diagnoses.describe("428.0") == "428.0 · Heart failure"
    assert diagnoses.describe("999") == "999"

"""Labels in a clinician's words."""

from readmission import contract
from readmission.contract.risk import BAND_NAMES
from serving.demo.labels import RISK_BANDS, describe_level, label, objection, title
from serving.demo.language import speaking


def test_levels_have_distinct_descriptions() -> None:
    for column in contract.FEATURE_COLUMNS:
        descriptions = {describe_level(column, level) for level in column.levels}
        assert len(descriptions) == len(column.levels), column.name


def test_level_is_described_with_its_unit() -> None:
    assert describe_level(contract.BY_NAME["age"], "[70-80)") == "70–79 years"
    assert describe_level(contract.BY_NAME["A1Cresult"], ">8") == "Above 8%"
    assert describe_level(contract.BY_NAME["insulin"], "Up") == "Increased"


def test_every_band_of_the_contract_has_its_own_words_and_style() -> None:
    assert tuple(RISK_BANDS) == BAND_NAMES
    assert len(set(RISK_BANDS.values())) == len(BAND_NAMES)


def test_only_required_columns_are_marked() -> None:
    marked = {column.name for column in contract.FEATURE_COLUMNS if label(column).endswith("*")}
    assert marked == {column.name for column in contract.FEATURE_COLUMNS if column.required}


def test_field_outside_the_contract_keeps_its_name() -> None:
    assert title("blood_type") == "blood_type"


def test_objection_is_a_sentence_without_the_apis_tail() -> None:
    allowed = contract.BY_NAME["diag_1"].allowed + "; may be absent or null"
    sentence = objection({"field": "diag_1", "problem": "pattern", "allowed": allowed})
    assert sentence == "is not a valid code: give an ICD-9 code such as 250.83, 428, V27 or E878."


def test_number_out_of_range_is_told_the_range_in_words() -> None:
    error = {"field": "time_in_hospital", "problem": "range", "allowed": "an integer from 1 to 14"}
    assert objection(error) == "must be a whole number from 1 to 14."
    with speaking("es"):
        assert objection(error) == "debe ser un número entero de 1 a 14."
        assert objection({"field": "age", "problem": "missing"}) == "es un dato obligatorio."


def test_code_of_the_other_system_is_named_as_such() -> None:
    pattern = {"field": "diag_1", "problem": "pattern", "allowed": "a code"}
    assert objection(pattern, {"diag_1": "E11.9", "icd": "9cm"}) == (
        "is a code of ICD-10-CM, but the code system is ICD-9-CM: choose ICD-10-CM."
    )
    assert objection(pattern, {"diag_1": "428", "icd": "10cm"}) == (
        "is a code of ICD-9-CM, but the code system is ICD-10-CM: choose ICD-9-CM."
    )
    assert objection(pattern, {"diag_1": "nonsense", "icd": "10cm"}).startswith("is not a billable ICD-10-CM code")
    with speaking("es"):
        assert objection({**pattern, "problem": "unmapped"}, {}).startswith(
            "es un código de la CIE-10-MC sin equivalente"
        )


def test_wrong_code_system_of_a_row_is_named_with_what_is_allowed() -> None:
    error = {"field": "icd", "problem": "level", "allowed": "one of '9cm', '10cm'"}
    assert objection(error) == "is not one of the allowed values. Choose ICD-9-CM or ICD-10-CM."

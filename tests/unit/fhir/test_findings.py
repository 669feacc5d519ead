"""Results in every unit, and diagnoses in every code system."""

import pytest

from readmission.fhir import codes
from tests.unit.fhir.tools import entries, issues, mapped, parts


@pytest.mark.parametrize(
    ("loinc", "value", "unit", "column", "level"),
    [
        ("4548-4", 8.1, "%", "A1Cresult", ">8"),
        ("17856-6", 7.5, "%", "A1Cresult", ">7"),
        ("4548-4", 7.0, "%", "A1Cresult", "Norm"),
        ("4548-4", 75, "mmol/mol", "A1Cresult", ">8"),
        ("4548-4", 48, "mmol/mol", "A1Cresult", "Norm"),
        ("2345-7", 301, "mg/dL", "max_glu_serum", ">300"),
        ("2339-0", 250, "mg/dL", "max_glu_serum", ">200"),
        ("2345-7", 11.0, "mmol/L", "max_glu_serum", "Norm"),
        ("2345-7", 17.0, "mmol/L", "max_glu_serum", ">300"),
        ("29463-7", 80.0, "kg", "weight", "[175-200)"),
        ("3141-9", 201, "[lb_av]", "weight", ">200"),
    ],
)
def test_every_result_in_every_unit(loinc: str, value: float, unit: str, column: str, level: str) -> None:
    sent = parts(A1Cresult="None", max_glu_serum="None")
    result = entries(sent, "labs")[0]
    result["code"]["coding"][0]["code"] = loinc
    result["valueQuantity"] = {"value": value, "unit": unit, "system": codes.UCUM, "code": unit}
    assert mapped(sent).record[column] == level
    result["valueQuantity"]["code"] = result["valueQuantity"]["unit"] = "furlong"
    assert issues(sent) == [("value", f"Observation.valueQuantity of {column}")]


@pytest.mark.parametrize(("code", "diagnosis"), codes.SNOMED_DIAGNOSES.items())
def test_every_diagnosis_in_snomed(code: str, diagnosis: str) -> None:
    sent = parts()
    entries(sent, "conditions")[0]["code"] = {"coding": [{"system": codes.SNOMED, "code": code}]}
    result = mapped(sent)
    assert result.record["diag_1"] == diagnosis and result.origins["diag_1"].source == "derived"


def test_icd10_is_declared_kept_and_refused_by_name() -> None:
    sent = parts(icd="10cm", diag_1="I50.9", diag_2="E11.9", diag_3="I10")
    result = mapped(sent)
    assert (result.record["icd"], result.record["diag_1"]) == ("10cm", "I50.9")
    entries(sent, "conditions")[1]["code"]["coding"][0]["code"] = "Q99.Z"
    result = mapped(sent)
    assert "diag_2" not in result.record and "refused" in result.origins["diag_2"].how


def test_mixed_code_systems_are_translated() -> None:
    sent = parts(icd="10cm", diag_1="I50.9", diag_2="E11.9", diag_3="I10")
    entries(sent, "conditions")[1]["code"]["coding"] = [
        {"system": "http://hl7.org/fhir/sid/icd-9-cm", "code": "250.02"}
    ]
    record = mapped(sent).record
    assert "icd" not in record and record["diag_1"] == "428" and record["diag_2"] == "250.02"

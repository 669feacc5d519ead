"""The patient, the stay and earlier visits: every code is a value of the contract."""

from typing import Any

import pytest

from readmission import contract
from readmission.fhir import codes
from tests.unit.fhir.tools import entries, issues, mapped, parts


@pytest.mark.parametrize(
    "column", ["discharge_disposition_id", "admission_source_id", "admission_type_id", "medical_specialty"]
)
def test_every_code_of_a_stay_is_a_value_of_the_contract(column: str) -> None:
    tables: Any = {
        "discharge_disposition_id": codes.DISPOSITIONS,
        "admission_source_id": codes.SOURCES,
        "admission_type_id": codes.TYPES,
        "medical_specialty": codes.SPECIALTIES,
    }
    element = {"admission_type_id": "priority", "medical_specialty": "serviceType"}.get(column)
    for system, pairs in tables[column].items():
        for code, value in pairs.items():
            assert contract.BY_NAME[column].problem(str(value)) is None
            sent = parts()
            concept = {"coding": [{"system": system, "code": code}]}
            if element:
                sent["encounter"][element] = concept
            else:
                name = "admitSource" if column == "admission_source_id" else "dischargeDisposition"
                sent["encounter"]["hospitalization"][name] = concept
            if value in contract.EXCLUDED_DISPOSITIONS and column == "discharge_disposition_id":
                assert issues(sent) == [("business-rule", "Encounter.hospitalization.dischargeDisposition")]
            else:
                assert mapped(sent).record[column] == value
                assert mapped(sent).origins[column].source == "sent"


def test_a_code_that_the_mapping_does_not_know_is_missing_and_said_so() -> None:
    sent = parts()
    sent["encounter"]["hospitalization"]["dischargeDisposition"] = {"coding": [{"system": "urn:x", "code": "home"}]}
    result = mapped(sent)
    assert "discharge_disposition_id" not in result.record
    assert result.origins["discharge_disposition_id"].source == "missing"
    assert "does not know" in result.origins["discharge_disposition_id"].how


@pytest.mark.parametrize(("code", "race"), [*codes.RACES.items(), ("ASKU", None)])
def test_every_race_category(code: str, race: str | None) -> None:
    sent = parts(race="Asian")
    sent["patient"]["extension"][0]["extension"][0]["valueCoding"]["code"] = code
    assert mapped(sent).record.get("race") == race


def test_ethnicity_and_several_races() -> None:
    assert mapped(parts(race="Hispanic")).record["race"] == "Hispanic"
    sent = parts(race="Asian")
    sent["patient"]["extension"][0]["extension"].append({"url": "ombCategory", "valueCoding": {"code": "2106-3"}})
    assert mapped(sent).record["race"] == "Other"


@pytest.mark.parametrize(("gender", "level"), codes.GENDERS.items())
def test_every_gender(gender: str, level: str) -> None:
    sent = parts()
    sent["patient"]["gender"] = gender
    assert mapped(sent).record["gender"] == level


@pytest.mark.parametrize(
    ("born", "age", "source"),
    [
        ("1956-11-14", "[70-80)", "derived"),
        ("1956-11-15", "[60-70)", "derived"),
        ("1956", "[70-80)", "assumed"),
        ("1920-01-01", "[90-100)", "assumed"),
    ],
)
def test_age_is_counted_at_the_admission(born: str, age: str, source: str) -> None:
    sent = parts()  # admitted on 14 November 2026
    sent["patient"]["birthDate"] = born
    assert mapped(sent).record["age"] == age
    assert mapped(sent).origins["age"].source == source


def test_earlier_visits_of_one_year_count_by_their_class() -> None:
    sent = parts(number_outpatient=3, number_emergency=2, number_inpatient=4)
    visits = entries(sent, "visits")
    visits[0]["period"] = {"start": "2025-11-13", "end": "2025-11-13"}  # more than a year before
    visits[3]["period"] = {"start": "2026-11-13", "end": "2026-11-14"}  # led to this admission
    visits[5]["status"] = "cancelled"
    record = mapped(sent).record
    assert [record[f"number_{kind}"] for kind in ("outpatient", "emergency", "inpatient")] == [2, 1, 3]
    del sent["visits"]
    result = mapped(sent)
    assert "number_inpatient" not in result.record and result.origins["number_inpatient"].source == "missing"


def test_a_stay_without_an_end_counts_up_to_today() -> None:
    sent = parts()
    del sent["encounter"]["period"]["end"]
    result = mapped(sent)
    assert (result.record["time_in_hospital"], result.end) == (6, None)
    assert result.origins["time_in_hospital"].source == "assumed"

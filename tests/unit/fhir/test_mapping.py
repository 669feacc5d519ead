"""Resources as encounters: every mapping, what is told apart, and what is refused."""

import copy
import json
import random
from datetime import date
from typing import Any

import pytest

from readmission import contract
from readmission.fhir import codes, drug_codes, invented
from readmission.fhir.mapping import IdentifierSystems, MappedEncounter, map_resources
from readmission.fhir.resources import NotUsableError, read_bundle

DISCHARGED = date(2026, 11, 20)
#: Columns that no resource states: the data set does not define payer codes, and weight is an Observation of its own.
UNSAID = ("payer_code", "weight")
EXAMPLE = {k: v for k, v in contract.EXAMPLE.items() if k not in UNSAID} | {"diag_2": "250.02"}


def parts(**changes: object) -> dict[str, Any]:
    """Return the resources of the example with some columns changed."""
    record: Any = {**EXAMPLE, **changes}
    return copy.deepcopy(invented.prefetch(record, DISCHARGED, "p1", "e1"))


def mapped(prefetched: dict[str, Any], **options: Any) -> MappedEncounter:
    body = json.dumps(invented.bundle(prefetched)).encode()
    return map_resources(read_bundle(body), DISCHARGED, **options)


def issues(prefetched: dict[str, Any], **options: Any) -> list[tuple[str, str]]:
    with pytest.raises(NotUsableError) as refused:
        mapped(prefetched, **options)
    return [(issue.code, issue.where) for issue in refused.value.issues]


def entries(prefetched: dict[str, Any], key: str) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in prefetched[key]["entry"]]


def test_the_example_comes_back_column_by_column() -> None:
    record = dict(mapped(parts()).record)
    assumed = {drug: "No" for drug in contract.FEATURE_NAMES if contract.BY_NAME[drug].assumed == "No"}
    assert record == assumed | dict(EXAMPLE)


def test_drawn_encounters_come_back() -> None:
    draw = random.Random(7)
    skipped = {"examide", "citoglipton", "change", "diabetesMed", *UNSAID, *contract.DIAGNOSES}
    for _ in range(60):
        drawn = {c.name: c.draw(draw) for c in contract.FEATURE_COLUMNS if c.name not in skipped}
        drawn |= {"diag_1": "428", "diag_2": "401", "diag_3": "V27"}
        for column, table in (
            ("admission_type_id", codes.TYPES),
            ("admission_source_id", codes.SOURCES),
            ("discharge_disposition_id", codes.DISPOSITIONS),
            ("medical_specialty", codes.SPECIALTIES),
        ):
            drawn[column] = draw.choice([v for pairs in table.values() for v in pairs.values()])
        if drawn["discharge_disposition_id"] in contract.EXCLUDED_DISPOSITIONS:
            drawn["discharge_disposition_id"] = 1
        drugs = sum(
            drawn[name] != "No"
            for name in contract.FEATURE_NAMES
            if contract.BY_NAME[name].assumed == "No" and name in drawn
        )
        drawn["num_medications"] = max(int(drawn["num_medications"]), drugs)
        drawn["num_lab_procedures"] = max(int(drawn["num_lab_procedures"]), 2)
        drawn["number_diagnoses"] = max(int(drawn["number_diagnoses"]), 3)
        record = mapped(parts(**drawn)).record
        assert {name: record[name] for name in drawn} == drawn


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


@pytest.mark.parametrize(("code", "name"), drug_codes.INGREDIENTS.items())
def test_every_ingredient(code: str, name: str) -> None:
    sent = parts(metformin="No", insulin="No", num_medications=1)
    entries(sent, "medications")[0]["medicationCodeableConcept"] = {"coding": [{"system": codes.RXNORM, "code": code}]}
    result = mapped(sent)
    assert result.record[name] == "Steady"
    assert result.record["diabetesMed"] == "Yes"
    assert sum(result.record[drug] != "No" for drug in set(drug_codes.INGREDIENTS.values())) == 1


@pytest.mark.parametrize(("code", "ingredients"), drug_codes.COMBINATIONS.items())
def test_every_combination(code: str, ingredients: frozenset[str]) -> None:
    sent = parts(metformin="No", insulin="No", num_medications=1)
    drug = entries(sent, "medications")[0]
    drug["medicationCodeableConcept"] = {"coding": [{"system": codes.RXNORM, "code": code}]}
    column = drug_codes.COMBINED_COLUMNS[ingredients]
    assert mapped(sent).record[column] == "Steady"
    spelt = " / ".join(f"{name} 5 MG" for name in sorted(ingredients)) + " Oral Tablet"
    drug["medicationCodeableConcept"] = {"text": spelt}
    result = mapped(sent)
    assert result.record[column] == "Steady" and all(result.record[name] == "No" for name in ingredients)


@pytest.mark.parametrize("code", drug_codes.OTHER_DIABETES_DRUGS)
def test_other_drugs_for_diabetes_count_as_treatment_alone(code: str) -> None:
    sent = parts(metformin="No", insulin="No", num_medications=1)
    entries(sent, "medications")[0]["medicationCodeableConcept"] = {"coding": [{"system": codes.RXNORM, "code": code}]}
    result = mapped(sent)
    assert result.record["diabetesMed"] == "Yes"
    assert all(result.record[name] == "No" for name in drug_codes.INGREDIENTS.values())


def test_cancelled_orders_do_not_count() -> None:
    sent = parts(metformin="Steady", insulin="No", num_medications=2)
    entries(sent, "medications")[0]["status"] = "cancelled"
    result = mapped(sent)
    assert (result.record["metformin"], result.record["num_medications"]) == ("No", 1)


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


def test_every_feature_has_one_origin() -> None:
    result = mapped(parts())
    assert set(result.origins) == set(contract.FEATURE_NAMES)
    assert sorted(name for names in result.columns.values() for name in names) == sorted(contract.FEATURE_NAMES)


def test_identifiers_of_declared_systems_alone_are_the_datas_own_numbers() -> None:
    sent = parts()
    sent["patient"]["identifier"] = [{"system": "urn:mrn", "value": "8222157"}]
    assert "patient_nbr" not in mapped(sent).record
    assert mapped(sent, systems=IdentifierSystems(patient="urn:mrn")).record["patient_nbr"] == 8222157


def test_contradictions_are_refused() -> None:
    two = parts()
    two["other"] = {**two["patient"], "id": "p2"}
    assert issues(two) == [("conflict", "Patient")]
    other = parts()
    entries(other, "labs")[3]["subject"]["reference"] = "Patient/p2"
    assert ("conflict", "Observation.subject") in issues(other)
    backwards = parts()
    backwards["encounter"]["period"]["end"] = "2026-11-01"
    assert ("conflict", "Encounter.period") in issues(backwards)
    dead = parts()
    dead["patient"]["deceasedDateTime"] = "2026-11-18T01:00:00Z"
    assert issues(dead) == [("conflict", "Patient.deceased[x]")]
    ranks = parts()
    ranks["encounter"]["diagnosis"][1]["rank"] = 1
    assert issues(ranks) == [("conflict", "Encounter.diagnosis.rank")]
    disposition = parts()
    concept = disposition["encounter"]["hospitalization"]["dischargeDisposition"]
    concept["coding"].append({"system": codes.DISCHARGE_DISPOSITION, "code": "home"})
    assert issues(disposition) == [("conflict", "Encounter.hospitalization.dischargeDisposition")]
    assert issues(parts(), patient_id="p9") == [("conflict", "Patient.id")]
    assert issues(parts(), encounter_id="e9") == [("conflict", "Encounter")]


def test_patients_whom_the_model_does_not_know_are_told_apart_from_bad_data() -> None:
    outpatient = parts()
    outpatient["encounter"]["class"]["code"] = "AMB"
    assert issues(outpatient, encounter_id="e1") == [("business-rule", "Encounter.class")]
    long = parts()
    long["encounter"]["period"]["start"] = "2026-11-01"
    assert issues(long, encounter_id="e1") == [("business-rule", "Encounter.period")]
    healthy = parts(metformin="No", insulin="No", diag_2="401")
    healthy["conditions"]["entry"].pop()
    assert issues(healthy) == [("business-rule", "Condition")]


def test_what_is_required_is_named() -> None:
    sent = parts()
    del sent["patient"]["birthDate"], sent["labs"], sent["medications"]
    assert issues(sent) == [
        ("required", "Patient.birthDate"),
        ("required", "Observation"),
        ("required", "MedicationRequest"),
    ]
    del sent["encounter"], sent["visits"]
    assert issues(sent) == [("required", "Encounter")]


def test_a_stay_without_an_end_counts_up_to_today() -> None:
    sent = parts()
    del sent["encounter"]["period"]["end"]
    result = mapped(sent)
    assert (result.record["time_in_hospital"], result.end) == (6, None)
    assert result.origins["time_in_hospital"].source == "assumed"

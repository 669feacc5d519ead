"""Resources as encounters: whole records come back, and what contradicts itself is refused."""

import random

from readmission import contract
from readmission.fhir import codes
from readmission.fhir.mapping import IdentifierSystems
from tests.unit.fhir.tools import EXAMPLE, UNSAID, entries, issues, mapped, parts


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

"""The made-up hospital answers the prefetch queries that the service lists, and no others."""

import json
from datetime import date, timedelta
from importlib.resources import files
from typing import Any

import pytest

from readmission.fhir.mapping import map_resources
from readmission.fhir.resources import NotUsableError
from readmission.sandbox import hospital
from readmission.sandbox.hospital import Hospital, UnknownSearchError
from serving.clinic import hooks

TODAY = date(2026, 11, 27)
RESOURCES: list[dict[str, Any]] = [
    {"resourceType": "Patient", "id": "p", "birthDate": "1950-02-01"},
    {
        "resourceType": "Encounter",
        "id": "e",
        "class": {"code": "IMP"},
        "subject": {"reference": "Patient/p"},
        "period": {"start": "2025-03-01T08:00:00Z", "end": "2025-03-04T09:00:00Z"},
    },
    {"resourceType": "Medication", "id": "m"},
    {
        "resourceType": "MedicationRequest",
        "id": "r",
        "encounter": {"reference": "Encounter/e"},
        "medicationReference": {"reference": "Medication/m"},
    },
]


def test_every_query_that_the_service_lists_is_answered_for_its_patient() -> None:
    full = hospital.load()
    answered = refused = 0
    for stay in full.discharges():
        patient = stay["subject"]["reference"].partition("/")[2]
        context = {"userId": "Practitioner/1", "patientId": patient, "encounterId": stay["id"]}
        prefetch = full.prefetch(hooks.PREFETCH, context, TODAY - date.fromisoformat(stay["period"]["end"][:10]))
        assert set(prefetch) == set(hooks.PREFETCH) and prefetch["encounter"]["period"]["end"].startswith(str(TODAY))
        body = {"hook": "encounter-discharge", "hookInstance": "0" * 8 + "-0000-0000-0000-" + "0" * 12}
        resources = hooks.read_prefetch(
            hooks.read_call(json.dumps({**body, "context": context, "prefetch": prefetch}).encode())
        )
        try:
            mapped = map_resources(resources, TODAY, patient_id=patient, encounter_id=stay["id"])
            answered += 1
            assert mapped.end == TODAY and mapped.record["icd"] == "10cm"
        except NotUsableError as error:
            refused += 1
            assert error.is_outside, error
    assert answered >= 20 and refused >= 3


def test_dates_move_together_so_that_ages_and_lengths_stay() -> None:
    queries = {"patient": "Patient/p", "encounter": "Encounter/e"}
    moved = Hospital(RESOURCES).prefetch(queries, {}, timedelta(days=365))
    assert moved["patient"]["birthDate"] == "1951-02-01"
    assert moved["encounter"]["period"] == {"start": "2026-03-01T08:00:00Z", "end": "2026-03-04T09:00:00Z"}


def test_a_search_includes_what_it_is_asked_to() -> None:
    answer = Hospital(RESOURCES).read("MedicationRequest?encounter=e&_include=MedicationRequest:medication")
    assert [entry["resource"]["id"] for entry in answer["entry"]] == ["r", "m"] and answer["total"] == 1


@pytest.mark.parametrize(
    "query", ["Patient/x", "Encounter?status=finished", "Encounter?patient=p&_include=Encounter:subject"]
)
def test_what_it_does_not_know_is_refused(query: str) -> None:
    with pytest.raises(UnknownSearchError):
        Hospital(RESOURCES).read(query)
    with pytest.raises(UnknownSearchError, match="context has no patientId"):
        Hospital(RESOURCES).prefetch({"patient": "Patient/{{context.patientId}}"}, {})


def test_the_licence_is_beside_the_hospital() -> None:
    assert "clinosim contributors" in (files("readmission.sandbox") / "hospital.LICENSE").read_text()

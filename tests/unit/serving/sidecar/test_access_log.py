"""An access names nobody, and says who asked by which route."""

from datetime import UTC, datetime

from readmission.pseudonyms import PatientKey
from serving.sidecar import access_log

KEY = PatientKey("k" * 32)
NOW = datetime.now(UTC)


def test_a_list_is_an_access_to_each_patient_whom_it_names() -> None:
    rows = [
        ("p1", "Patient/p1", "Encounter/e1", NOW.date(), 0.5, "3", None, None, "m"),
        ("p2", "77", "5", NOW.date(), 0.4, "2", "called", NOW, "m"),
        ("p3", "", "6", NOW.date(), 0.4, "2", None, None, "m"),
    ]
    first, second = access_log.of_list(rows, KEY, NOW, "ward", "r1")
    assert (first["token"], second["token"]) == (KEY.token("Patient/p1"), KEY.token(77))
    assert (first["client"], first["route"], first["model_version"]) == ("ward", "/worklist", "3")
    assert first["access_id"] != second["access_id"]

"""Marked values of a patient, and the search for them in what has left the system."""

import csv
import io
import urllib.parse
from typing import Any

from tests.integration.api import doors

PATIENT = doors.Patient(871_234_567, 6_541_234_567, "pat-8712mark", "stay-6541mark")
#: In no level of the contract; it may stand in the request and nowhere else.
TEXT, CODE, NAME = "Zanzibar-mark", "V98.76", "fieldmark"
MARKS = (TEXT, CODE, str(PATIENT.number), str(PATIENT.encounter), PATIENT.reference, PATIENT.stay)


def as_csv(records: list[dict[str, Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return buffer.getvalue()


def check(left: dict[str, str]) -> None:
    """Fail with the line of every mark."""
    leaks = []
    for name, text in left.items():
        for mark in (*MARKS, NAME, urllib.parse.quote(TEXT)):
            leaks += [f"{name}: {line[:300]}" for line in text.splitlines() if mark in line][:3]
    assert leaks == [], "\n".join(leaks)

"""Every door by which a patient comes in over HTTP: their bodies, and the demo page as a process with a log."""

import copy
import datetime
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests import fhir_stay
from tests.conftest import free_port
from tests.demo.test_page import score_csv, upload
from tests.integration.api.record_system import ISSUER, RECORD, URL, key_set, token
from tests.integration.api.tools import EXAMPLE, Api, until

#: Systems of the identifiers that are the data's own numbers.
PATIENTS, STAYS = "urn:test:patients", "urn:test:stays"


class Patient(NamedTuple):
    """One patient as the doors name them.

    Attributes:
        number: `patient_nbr`.
        encounter: `encounter_id`.
        reference: FHIR id of the Patient.
        stay: FHIR id of the Encounter.
    """

    number: int
    encounter: int
    reference: str
    stay: str

    @property
    def record(self) -> dict[str, Any]:
        """Return a request about them."""
        return {**EXAMPLE, "patient_nbr": self.number, "encounter_id": self.encounter}

    def resources(self, *, numbered: bool = True) -> dict[str, Any]:
        """Return their FHIR resources, with what a record system knows of a person besides."""
        sent = copy.deepcopy(fhir_stay.prefetch(RECORD, datetime.date.today(), self.reference, self.stay))
        sent["patient"]["name"] = [{"family": f"Family {self.reference}"}]
        if numbered:
            sent["patient"]["identifier"] = [{"system": PATIENTS, "value": str(self.number)}]
            sent["encounter"]["identifier"] = [{"system": STAYS, "value": str(self.encounter)}]
        return sent

    def call(self, *, numbered: bool = True) -> dict[str, Any]:
        """Return a call of CDS Hooks about them."""
        context = {"userId": "Practitioner/1", "patientId": self.reference, "encounterId": self.stay}
        return {
            "hook": "encounter-discharge",
            "hookInstance": str(uuid.uuid4()),
            "context": context,
            "prefetch": self.resources(numbered=numbered),
        }


def clinic_environment(home: Path) -> dict[str, str]:
    """Write the list of record systems; return the settings that name it."""
    (home / "jwks.json").write_text(json.dumps(key_set()))
    clients = [{"name": "st-mary", "issuer": ISSUER, "jwks_file": "jwks.json"}]
    (home / "clients.json").write_text(json.dumps({"clients": clients}))
    return {
        "READMISSION_CDS_CLIENTS": str(home / "clients.json"),
        "READMISSION_CDS_URL": URL,
        "READMISSION_FHIR_PATIENT_SYSTEM": PATIENTS,
        "READMISSION_FHIR_ENCOUNTER_SYSTEM": STAYS,
    }


def call_hooks(api: Api, path: str, body: bytes) -> httpx.Response:
    """Call a path of CDS Hooks with a token for it."""
    headers = {"authorization": f"Bearer {token(aud=URL + path)}"}
    return api.http.post(path, content=body, headers=headers)


def card_feedback(card: str, comment: str) -> dict[str, Any]:
    """Return what a clinician did with a card."""
    override = {"reason": {"code": "disagree", "system": "urn:readmission:cds"}, "userComment": comment}
    item = {"card": card, "outcome": "overridden", "overrideReason": override}
    return {"feedback": [{**item, "outcomeTimestamp": "2026-11-27T08:00:00Z"}]}


def as_bundle(patient: Patient, *, numbered: bool = True) -> dict[str, Any]:
    """Return the patient's resources as one Bundle."""
    return fhir_stay.bundle(patient.resources(numbered=numbered))


class Demo(NamedTuple):
    """A running demo page."""

    url: str
    log: Path

    def score(self, content: str, folder: Path) -> dict[str, Any]:
        """Upload a table as the page does, and have it scored."""
        httpx.get(f"{self.url}/config", timeout=90, trust_env=False)  # the first is slow on a busy machine
        path = folder / "ward.csv"
        path.write_text(content)
        return score_csv(self.url, upload(self.url, path))


#: The page with files that are kept for seconds, not for 15 minutes, so that their end can be seen.
_DEMO = """
import runpy, serving.demo.page as page
page.LOOK_FOR_FILES, page.KEEP_FILES = 1, 5
runpy.run_module('serving.demo', run_name='__main__')
"""


@contextmanager
def demo_for(api: Api, home: Path, **environment: object) -> Iterator[Demo]:
    """Run the demo page before an API."""
    port, log = free_port(), home / "demo.log"
    values = {"HOME": home, "UI_PORT": port, "API_URL": api.http.base_url, **environment}
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", _DEMO],
            env=os.environ | {f"READMISSION_{name}": str(value) for name, value in values.items()},
            stdout=out,
            stderr=out,
        )
    demo = Demo(f"http://127.0.0.1:{port}", log)
    try:
        until(lambda: httpx.get(f"{demo.url}/health", trust_env=False).is_success, 90)
        yield demo
    finally:
        process.terminate()
        process.wait(20)

"""Visits of a published model are keyed, and again after a rotation, under an API that answers alike all the time."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from readmission.features.keyed_visits import read_key_id
from readmission.features.visits import Visits
from readmission.pseudonyms import PatientKey
from readmission.settings import Settings
from tests.integration.api.hospital import Hospital, admit, ask_others, verb_environment
from tests.integration.api.tools import Registry, Starter, until

ROTATED = "the next secret of the installation"


@pytest.fixture
def hospital(
    database: Settings, postgres_server: Settings, compiled: dict[str, Path], registry: Registry, start: Starter
) -> Hospital:
    # The API knows the next key before anything is written under it.
    return admit(
        database,
        postgres_server.home,
        compiled["lightgbm"],
        registry,
        start,
        READMISSION_PREVIOUS_PATIENT_KEYS=ROTATED,
    )


def rekey(hospital: Hospital, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "readmission.cli", "rekey"],
        env=os.environ | verb_environment(hospital.settings) | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def tables(hospital: Hospital) -> list[bytes]:
    """Return the visits in MLflow and on the disk of the API."""
    return [path.read_bytes() for folder in hospital.folders for path in folder.rglob("visits.bin")]


def test_visits_are_keyed_and_keyed_again(hospital: Hospital) -> None:
    plain = tables(hospital)
    assert len(plain) == 2 and [read_key_id(table) for table in plain] == [None, None]
    visits = Visits(plain[0])
    numbers = {visits.patient(position) for position in range(visits.patients)}
    numbers |= {int(visit.encounter) for patient in list(numbers) for visit in visits.of(patient)}

    def check(key: PatientKey) -> bool:
        keyed = tables(hospital)
        if {read_key_id(table) for table in keyed} != {key.id}:
            return False
        assert not [n for table in keyed for n in numbers if struct.pack("=q", n) in table]
        # The API has loaded it: its answers are what they were, with every patient's history.
        assert hospital.api.info()["history"]["patients"] == visits.patients
        return ask_others(hospital.api, hospital.patient) == hospital.others

    key = hospital.settings.patient_keys[0]
    assert key.id in rekey(hospital)
    assert until(lambda: check(key), 40)
    current = hospital.settings.privacy.patient_key
    assert current is not None
    rotated = {
        "READMISSION_PATIENT_KEY": ROTATED,
        "READMISSION_PREVIOUS_PATIENT_KEYS": current.get_secret_value(),
    }
    assert PatientKey(ROTATED).id in rekey(hospital, **rotated)
    assert until(lambda: check(PatientKey(ROTATED)), 40)
    assert rekey(hospital, **rotated) == "", "a second time there is nothing to do"
    assert hospital.api.metric("readmission_model_reloads_total", result="failed") == 0
    print(f"\n{len(numbers)} numbers of {visits.patients} patients: 0 in the keyed tables, answers identical")

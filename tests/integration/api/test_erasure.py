"""A patient comes in by every door and is erased: no byte is left, and nobody else notices.

`make privacy` runs this file. The patient's numbers are looked for in every row of the database, in every file of the
state folder and of MLflow, as text and as the eight bytes of a number, and inside the compressed snapshots.
"""

import io
import os
import random
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet
import pytest

from readmission.privacy import accesses
from readmission.settings import Settings
from readmission.steps import ingest, process
from readmission.stores import objects, postgres
from tests.integration.api.hospital import Hospital, admit, as_csv, ask_others, execute, read_rows
from tests.integration.api.tools import Registry, Starter, until

TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname IN ('raw', 'clean', 'serving', 'training', 'monitoring', 'privacy')"""


@pytest.fixture
def hospital(
    database: Settings, postgres_server: Settings, compiled: dict[str, Path], registry: Registry, start: Starter
) -> Hospital:
    return admit(database, postgres_server.home, compiled["lightgbm"], registry, start)


def erase(hospital: Hospital, *arguments: str) -> "subprocess.Popen[str]":
    settings = hospital.settings
    environment = {
        "HOME": settings.home,
        "POSTGRES_PORT": settings.postgres.port,
        "POSTGRES_DATABASE": settings.postgres.database,
        "POSTGRES_PASSWORD_PRIVACY": settings.password("privacy"),
        "PATIENT_KEY": settings.privacy.patient_key.get_secret_value() if settings.privacy.patient_key else "",
        "MLFLOW_URI": settings.mlflow.uri,
        "MODEL_NAME": settings.mlflow.model_name,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "readmission.cli", "erase", "--patient", "-", "--reason", "asked to", *arguments],
        env=os.environ | {f"READMISSION_{name}": str(value) for name, value in environment.items()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def erase_wholly(hospital: Hospital) -> str:
    process_ = erase(hospital)
    output, _ = process_.communicate(f"{hospital.patient}\n", timeout=120)
    assert process_.returncode == 0, output
    assert str(hospital.patient) not in output
    return output


def counts(hospital: Hospital) -> dict[str, int]:
    """Count what belongs to others."""
    texts = [str(number) for number in hospital.encounters]
    patient, own = hospital.patient, "inputs->>'patient_nbr' IS DISTINCT FROM %(text)s"
    values: dict[str, object] = {
        "patient": patient,
        "text": str(patient),
        "encounters": hospital.encounters,
        "texts": texts,
    }
    questions = {
        "raw": "raw.encounters WHERE patient_nbr <> %(patient)s",
        "clean": "clean.encounters WHERE patient_nbr <> %(patient)s",
        "scores": "serving.scores WHERE encounter_id <> ALL(%(encounters)s)",
        "predictions": f"serving.predictions WHERE {own} AND coalesce(inputs->>'encounter_id', '') <> ALL(%(texts)s)",
    }
    return {
        name: execute(hospital.settings, f"SELECT count(*) FROM {text}", **values)[0][0]
        for name, text in questions.items()
    }


def find_traces(hospital: Hospital) -> list[str]:
    """Look for the patient's numbers everywhere, byte by byte."""
    numbers = [hospital.patient, *hospital.encounters]
    patterns = [str(number).encode() for number in numbers] + [struct.pack("<q", number) for number in numbers]
    traces = []
    with postgres.transaction(hospital.settings, "owner") as cursor:
        cursor.execute(TABLES)
        for (table,) in cursor.fetchall():
            buffer = io.BytesIO()
            cursor.copy_expert(f"COPY {table} TO STDOUT", buffer)
            traces += [table for pattern in patterns if pattern in buffer.getvalue()]
    for folder in hospital.folders:
        for path in folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                traces += [path.name for pattern in patterns if pattern in content]
                if path.suffix == ".parquet":
                    seen = pyarrow.parquet.read_table(io.BytesIO(content)).column("patient_nbr").to_pylist()
                    traces += [path.name] * (hospital.patient in seen)
    return sorted(set(traces))


def test_no_byte_of_an_erased_patient_is_left_and_others_stay(hospital: Hospital) -> None:
    before = counts(hospital)
    traces = find_traces(hospital)
    assert {"raw.encounters", "clean.encounters", "raw.quarantine", "visits.bin"} <= set(traces), traces
    patients = hospital.api.info()["history"]["patients"]
    output = erase_wholly(hospital)
    assert "lightgbm" in output
    # The API follows without a restart.
    assert until(lambda: hospital.api.info()["history"]["patients"] == patients - 1)
    assert find_traces(hospital) == []
    assert counts(hospital) == before
    assert ask_others(hospital.api, hospital.patient) == hospital.others
    # Who has asked is still known, by pseudonym.
    entries = accesses.read_accesses(hospital.settings, hospital.patient)
    routes = sorted(entry.route for entry in entries)
    assert routes == ["/explain", "/predict", "/predict_batch", "/predict_batch", "/predict_batch"]
    assert {entry.client for entry in entries} == {"ward"}
    assert all(entry.model.startswith(hospital.settings.mlflow.model_name) for entry in entries)
    assert accesses.read_accesses(hospital.settings, hospital.patient + 10**6) == []
    print(f"\nerased from {', '.join(traces)}: 0 traces left; others unchanged: {before}")


def test_later_deliveries_are_refused_and_leave_no_content(hospital: Hospital) -> None:
    erase_wholly(hospital)
    own = [row for row in read_rows() if row["patient_nbr"] == str(hospital.patient)]
    source = hospital.settings.home.parent / "later.csv"
    source.write_text(as_csv(own) + "\n")
    ingest.run(hospital.settings, source=str(source), every=True)
    process.run(hospital.settings)
    refused = execute(
        hospital.settings,
        "SELECT content::text, reasons->0->>'problem' FROM raw.quarantine ORDER BY batch_id DESC, row_number",
    )
    assert refused[: len(own)] == [("{}", "erased")] * len(own)
    # The API answers, but keeps no record.
    assert hospital.api.predict(patient_nbr=hospital.patient).status_code == 200
    spool = hospital.settings.home / "spool"
    assert until(lambda: not list(spool.glob("*.log")))
    assert until(lambda: find_traces(hospital) == [])


def test_killed_at_any_point_it_ends_the_same(hospital: Hospital) -> None:
    before = counts(hospital)
    random_ = random.Random(7)
    for _ in range(4):
        process_ = erase(hospital)
        assert process_.stdin is not None and process_.stdout is not None
        process_.stdin.write(f"{hospital.patient}\n")
        process_.stdin.close()
        time.sleep(random_.uniform(0.8, 3.0))
        process_.send_signal(signal.SIGKILL)
        process_.wait()
        process_.stdout.close()
    erase_wholly(hospital)
    assert until(lambda: find_traces(hospital) == [])
    assert counts(hospital) == before
    ended = "SELECT count(*) FROM privacy.erasure_steps WHERE place = 'verified'"
    assert execute(hospital.settings, ended)[0][0] >= 1
    tombstones = execute(hospital.settings, "SELECT token FROM privacy.tombstones")
    assert len(tombstones) == 1 and str(hospital.patient) not in tombstones[0][0]
    assert len(objects.objects(hospital.settings).keys("privacy/tombstones/")) == 1


def test_a_reason_must_not_name_the_patient(hospital: Hospital) -> None:
    process_ = erase(hospital, "--reason", f"patient {hospital.patient} asked")
    output, _ = process_.communicate(f"{hospital.patient}\n", timeout=60)
    assert process_.returncode == 1 and "--reason" in output
    assert execute(hospital.settings, "SELECT count(*) FROM privacy.tombstones") == [(0,)]

"""A patient comes in by every door and is erased: no byte is left, and nobody else notices.

`make privacy` runs this file. The patient's numbers are looked for in every row of the database, in every file of the
state folder and of MLflow, as text and as the eight bytes of a number, and inside the compressed snapshots.
"""

import csv
import io
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pandas as pd
import pyarrow.parquet
import pytest

from readmission import contract
from readmission.data import synthetic
from readmission.features import encoding, history
from readmission.features.visits import Visits
from readmission.privacy import accesses
from readmission.scorer.manifest import file_sha256
from readmission.settings import Settings
from readmission.steps import ingest, process
from readmission.stores import objects, postgres
from tests.integration.api.tools import EXAMPLE, Api, Registry, Starter, until

TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname IN ('raw', 'clean', 'serving', 'training', 'monitoring', 'privacy')"""


class Hospital(NamedTuple):
    """A system with data, a model and an API, and a patient who came in by every door."""

    settings: Settings
    api: Api
    folders: list[Path]
    patient: int
    encounters: list[int]
    others: list[dict[str, Any]]


def read_rows() -> list[dict[str, str]]:
    """Return synthetic rows whose numbers are long enough that no other number looks like one by chance."""
    text = synthetic.generate(1500, seed=5).decode().split("\n", 1)[1]
    rows = list(csv.DictReader(io.StringIO(text)))
    for row in rows:
        row["patient_nbr"] = str(871_000_000 + int(row["patient_nbr"]))
        row["encounter_id"] = str(6_540_000_000 + int(row["encounter_id"]))
    return rows


def as_csv(rows: list[dict[str, str]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, contract.COLUMN_NAMES, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return "# synthetic\n" + buffer.getvalue()


def execute(settings: Settings, statement: str, /, **values: object) -> list[tuple[Any, ...]]:
    with postgres.transaction(settings, "owner") as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def hospital(
    database: Settings,
    postgres_server: Settings,
    compiled: dict[str, Path],
    registry: Registry,
    start: Starter,
) -> Hospital:
    settings = database.replace(mlflow_uri=registry.url, model_name=registry.name, batch_size=1000)
    settings.home.mkdir(parents=True, exist_ok=True)
    rows = read_rows()
    model = _with_visits(compiled["lightgbm"], rows, settings.home.parent / "model")
    patient = _patient(Visits.open(model / "visits.bin"))
    own = [row for row in rows if row["patient_nbr"] == str(patient)]
    # By file: all rows, one of them also refused, and a line that cannot be read.
    source = settings.home.parent / "source.csv"
    bad = {**own[0], "gender": "Neither", "encounter_id": str(int(own[0]["encounter_id"]) + 1)}
    source.write_text(as_csv([*rows, bad]) + ",".join(own[0].values()) + ",one,too,many\n")
    ingest.run(settings, source=str(source), every=True)
    process.run(settings)
    run_id = _promote(settings, registry, model)
    assert run_id
    keys = settings.home.parent / "keys"
    keys.write_text(f"ward:{sha256(b'w' * 20).hexdigest()}:predict,feedback")
    api = start(**registry.environment(), READMISSION_API_KEYS=keys)
    api.http.headers["authorization"] = "Bearer " + "w" * 20
    api.wait("/readyz")
    others = _requests(api, patient, own)
    assert until(lambda: execute(settings, "SELECT count(*) FROM serving.predictions")[0][0] >= 3 + len(others))
    assert until(lambda: execute(settings, "SELECT count(*) FROM serving.feedback")[0][0] == 1)
    execute(
        settings,
        "INSERT INTO serving.scores (encounter_id, model_name, model_version, p_no, p_late, p_early)"
        " SELECT encounter_id, 'm', '1', 1, 0, 0 FROM clean.encounters",
    )
    artifacts = postgres_server.home / "mlflow-artifacts" / registry.experiment
    encounters = [int(row["encounter_id"]) for row in (*own, bad)]
    return Hospital(settings, api, [settings.home, artifacts], patient, encounters, others)


def _with_visits(compiled: Path, rows: list[dict[str, str]], folder: Path) -> Path:
    """Copy a compiled model and give it the visits of these rows."""
    shutil.copytree(compiled, folder)
    frame = encoding.typed_frame(pd.DataFrame(rows))
    (folder / "visits.bin").write_bytes(history.pack(frame))
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes())
    manifest["files"]["visits.bin"] = file_sha256(folder / "visits.bin")
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    return folder


def _patient(table: Visits) -> int:
    """Choose a patient with more than one visit."""
    numbers = (table.patient(i) for i in range(table.patients))
    return next(number for number in numbers if len(table.of(number)) > 1)


def _promote(settings: Settings, registry: Registry, folder: Path) -> str:
    """Publish the model, and write it down as trained on both batches and promoted."""
    version = registry.publish(folder)
    run_id = str(registry.client.get_model_version(registry.name, version).run_id)
    execute(
        settings,
        "INSERT INTO training.experiments (run_id, family, first_batch, last_batch, data_sha256, synthetic, seed,"
        " git_sha, metrics) VALUES (%(run)s, 'lightgbm', 1, 2, '', true, 7, '', '{}');"
        "INSERT INTO training.promotions (decision, model_name, model_version, run_id, family, reasons, decided_by)"
        " VALUES ('promoted', %(name)s, %(version)s, %(run)s, 'lightgbm', '[]', 'test')",
        run=run_id,
        name=registry.name,
        version=version,
    )
    return run_id


def _requests(api: Api, patient: int, own: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Ask about the patient by every route, and about others; return the others' answers."""
    record = EXAMPLE | {"patient_nbr": patient}
    first = api.http.post("/predict", json=record)
    assert first.status_code == 200
    assert api.http.post("/explain", json=record).status_code == 200
    assert api.http.post("/predict_batch", json={"records": [record]}).status_code == 200
    with_encounter = EXAMPLE | {"encounter_id": int(own[0]["encounter_id"])}
    lines = msgspec.json.encode(record) + b"\n" + msgspec.json.encode(with_encounter) + b"\n"
    assert api.http.post("/predict_batch", content=lines, headers={"content-type": "application/x-ndjson"}).is_success
    table = ",".join(record) + "\n" + ",".join(map(str, record.values())) + "\n"
    assert api.http.post("/predict_batch", content=table, headers={"content-type": "text/csv"}).is_success
    # Refused: the answer and the log must not repeat the number.
    refused = api.http.post("/predict", json=record | {"gender": f"patient {patient}"})
    assert refused.status_code == 400 and str(patient) not in refused.text
    outcome = {"prediction_id": first.json()["prediction_id"], "outcome": "<30"}
    assert api.http.post("/feedback", json=outcome).status_code in (200, 202)
    return ask_others(api, patient)


def ask_others(api: Api, patient: int) -> list[dict[str, Any]]:
    numbers = sorted({int(row["patient_nbr"]) for row in read_rows()} - {patient})[:40]
    answer = api.http.post("/predict_batch", json={"records": [EXAMPLE | {"patient_nbr": n} for n in numbers]})
    return [prediction["probabilities"] for prediction in answer.json()["predictions"]]


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
    known = hospital.api.info()["history"]["patients"]
    output = erase_wholly(hospital)
    assert "lightgbm" in output
    # The API follows without a restart.
    assert until(lambda: hospital.api.info()["history"]["patients"] == known - 1)
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

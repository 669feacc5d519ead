"""A system with data, a model and an API, and a patient who came in by every door."""

import csv
import io
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pandas as pd

from readmission import contract
from readmission.data import synthetic
from readmission.data.sources import FileSource
from readmission.features import encoding, history
from readmission.features.visits import Visits
from readmission.feed.app import Feed
from readmission.feed.chunks import Chunks
from readmission.files import file_sha256
from readmission.settings import Settings
from readmission.steps import ingest, process
from readmission.stores import postgres
from serving.clinic import hooks
from tests.integration.api.doors import Patient, as_bundle, call_hooks, card_feedback, clinic_environment
from tests.integration.api.tools import EXAMPLE, Api, Registry, Starter, until
from tests.integration.feed.conftest import serve


class Hospital(NamedTuple):
    """A system with data, a model and an API, and a patient who came in by every door.

    Attributes:
        folders: Folders with files of the system.
        patient: Number of the patient.
        person: The patient, as record systems name them.
        guest: A patient whom a record system names by reference only.
        encounters: Numbers of the patient's encounters.
        others: Answers about others.
    """

    settings: Settings
    api: Api
    folders: list[Path]
    patient: int
    person: Patient
    guest: Patient
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


def admit(
    database: Settings, home: Path, compiled: Path, registry: Registry, start: Starter, **environment: object
) -> Hospital:
    """Start a system with a model, and bring a patient in by every door.

    Args:
        database: Settings of an empty database.
        home: State folder of the servers, where MLflow keeps its artifacts.
        compiled: Folder of a compiled model.
        registry: MLflow server.
        start: What starts an API.
        environment: Further settings of the API.
    """
    settings = database.replace(mlflow_uri=registry.url, model_name=registry.name, batch_size=1000)
    settings.home.mkdir(parents=True, exist_ok=True)
    rows = read_rows()
    model = with_visits(compiled, rows, settings.home.parent / "model")
    patient = _patient(Visits.open(model / "visits.bin"))
    own = [row for row in rows if row["patient_nbr"] == str(patient)]
    refused_or_fed = _deliver(settings, rows, own)
    put_aside(settings, patient)
    assert _promote(settings, registry, model)
    keys = settings.home.parent / "keys"
    keys.write_text(f"ward:{sha256(b'w' * 20).hexdigest()}:predict,feedback,worklist")
    clinic = clinic_environment(settings.home.parent)
    api = start(**registry.environment(), **clinic, **environment, READMISSION_API_KEYS=keys)
    api.http.headers["authorization"] = "Bearer " + "w" * 20
    api.wait("/readyz")
    person = Patient(patient, int(own[0]["encounter_id"]), "pat-871mark", "stay-654mark")
    guest = Patient(0, 0, "guest-871mark", "stay-guest-654mark")
    others = send_requests(api, person, guest)
    wait_until_stored(settings, 8 + len(others))
    execute(
        settings,
        "INSERT INTO serving.scores (encounter_id, model_name, model_version, p_no, p_late, p_early)"
        " SELECT encounter_id, 'm', '1', 1, 0, 0 FROM clean.encounters",
    )
    artifacts = home / "mlflow-artifacts" / registry.experiment
    encounters = [int(row["encounter_id"]) for row in (*own, *refused_or_fed)]
    return Hospital(settings, api, [settings.home, artifacts], patient, person, guest, encounters, others)


def _deliver(settings: Settings, rows: list[dict[str, str]], own: list[dict[str, str]]) -> list[dict[str, str]]:
    """Take rows by file and by feed; return those of the patient that are refused or came by the feed."""
    # By file: all rows, one of them also refused, and a line that cannot be read.
    source = settings.home.parent / "source.csv"
    bad = {**own[0], "gender": "Neither", "encounter_id": str(int(own[0]["encounter_id"]) + 1)}
    source.write_text(as_csv([*rows, bad]) + ",".join(own[0].values()) + ",one,too,many\n")
    ingest.run(settings, source=str(source), every=True)
    by_feed = {**own[0], "encounter_id": str(int(own[0]["encounter_id"]) + 2)}
    ingest_feed(settings, as_csv([by_feed]).encode())
    process.run(settings)
    return [bad, by_feed]


def wait_until_stored(settings: Settings, predictions: int) -> None:
    """Wait until the sidecar has stored so many predictions, and what was said of them."""
    count = "SELECT count(*) FROM serving."
    assert until(lambda: execute(settings, f"{count}predictions")[0][0] >= predictions)
    assert until(lambda: execute(settings, f"{count}feedback")[0][0] == 1)
    assert until(lambda: execute(settings, f"{count}card_feedback")[0][0] == 1)
    assert until(lambda: execute(settings, f"{count}follow_ups")[0][0] == 1)


def ingest_feed(settings: Settings, content: bytes) -> None:
    """Take rows from a feed."""
    source = FileSource("feed.csv", content, 1000)
    folder = settings.home.parent / "feed"
    chunks = Chunks.cut(source, folder, 1000)
    with serve(Feed(chunks=chunks, batch_size=1000, memory=folder / "started")) as url:
        ingest.run(settings, source=f"feed+{url}", every=True)


def put_aside(settings: Settings, patient: int) -> None:
    """Leave two pieces of the log that nobody can read: one with the patient in it, one with another."""
    folder = settings.home / "spool" / "unreadable"
    folder.mkdir(parents=True)
    for number, named in enumerate((patient, patient + 10**6), 1):
        (folder / f"{number:020d}-1.log").write_bytes(b'\xff\x00{"patient_nbr":%d,"age' % named)


def with_visits(compiled: Path, rows: list[dict[str, str]], folder: Path) -> Path:
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


def send_requests(api: Api, person: Patient, guest: Patient) -> list[dict[str, Any]]:
    """Ask about the patients by every route, and about others; return the others' answers."""
    patient = person.number
    record = EXAMPLE | {"patient_nbr": patient}
    first = api.http.post("/predict", json=record)
    assert first.status_code == 200
    assert api.http.post("/explain", json=record).status_code == 200
    assert api.http.post("/predict_batch", json={"records": [record]}).status_code == 200
    with_encounter = EXAMPLE | {"encounter_id": person.encounter}
    lines = msgspec.json.encode(record) + b"\n" + msgspec.json.encode(with_encounter) + b"\n"
    assert api.http.post("/predict_batch", content=lines, headers={"content-type": "application/x-ndjson"}).is_success
    table = ",".join(record) + "\n" + ",".join(map(str, record.values())) + "\n"
    assert api.http.post("/predict_batch", content=table, headers={"content-type": "text/csv"}).is_success
    # Refused: the answer and the log must not repeat the number.
    refused = api.http.post("/predict", json=record | {"gender": f"patient {patient}"})
    assert refused.status_code == 400 and str(patient) not in refused.text
    outcome = {"prediction_id": first.json()["prediction_id"], "outcome": "<30"}
    assert api.http.post("/feedback", json=outcome).status_code in (200, 202)
    _ask_as_record_system(api, person, guest, first.json()["prediction_id"])
    return ask_others(api, patient)


def _ask_as_record_system(api: Api, person: Patient, guest: Patient, prediction_id: str) -> None:
    """Ask by FHIR and CDS Hooks, with and without the patient's number; say what became of card and discharge."""
    for patient, numbered in ((person, True), (guest, False)):
        assert api.http.post("/fhir/RiskAssessment", json=as_bundle(patient, numbered=numbered)).is_success
        call = msgspec.json.encode(patient.call(numbered=numbered))
        card = call_hooks(api, hooks.CALL, call).json()["cards"][0]["uuid"]
    feedback = msgspec.json.encode(card_feedback(card, f"{guest.reference} is at home"))
    assert call_hooks(api, hooks.FEEDBACK, feedback).is_success
    follow_up = {"prediction_id": prediction_id, "action": "called"}
    assert api.http.post("/follow-ups", json=follow_up).status_code == 200


def verb_environment(settings: Settings) -> dict[str, str]:
    """Return the environment of a verb that works on the system as role `privacy`."""
    values = {
        "HOME": settings.home,
        "POSTGRES_PORT": settings.postgres.port,
        "POSTGRES_DATABASE": settings.postgres.database,
        "POSTGRES_PASSWORD_PRIVACY": settings.password("privacy"),
        "PATIENT_KEY": settings.privacy.patient_key.get_secret_value() if settings.privacy.patient_key else "",
        "MLFLOW_URI": settings.mlflow.uri,
        "MODEL_NAME": settings.mlflow.model_name,
    }
    return {f"READMISSION_{name}": str(value) for name, value in values.items()}


def ask_others(api: Api, patient: int) -> list[dict[str, Any]]:
    numbers = sorted({int(row["patient_nbr"]) for row in read_rows()} - {patient})[:40]
    answer = api.http.post("/predict_batch", json={"records": [EXAMPLE | {"patient_nbr": n} for n in numbers]})
    return [prediction["probabilities"] for prediction in answer.json()["predictions"]]

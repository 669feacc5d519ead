"""Whoever was erased since a backup is erased again by its restore, by whatever door they came in."""

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pyarrow.parquet
import pytest

from readmission.embedded.custody import sign_present
from readmission.features.keyed_visits import with_key
from readmission.features.visits import Visits
from readmission.files import file_sha256
from readmission.privacy.again import TOMBSTONES, tombstone_name
from readmission.pseudonyms import PatientKey
from readmission.scorer.custody import check_folder
from readmission.settings import Settings
from readmission.stores import objects
from serving.clinic import hooks
from tests.conftest import make_settings
from tests.integration.api.doors import Patient, call_hooks, card_feedback, clinic_environment
from tests.integration.api.hospital import as_csv, read_rows, send_requests, wait_until_stored, with_visits
from tests.integration.api.tools import Api, database_down, install, until
from tests.integration.backup.conftest import RUN, Installation

COUNT = "SELECT count(*) FROM raw.encounters WHERE patient_nbr = %(patient)s"
ROTATED = "the next secret of the installation"
#: Named in a refused line and nowhere else.
TORN = 973_111_222
TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')"""


def test_a_restore_erases_again_whom_a_newer_tombstone_names(installation: Installation, tmp_path: Path) -> None:
    settings = installation.settings
    done = installation.run("backup", str(tmp_path / "backups"))
    assert done.returncode == 0, done.stderr
    ((patient,),) = installation.execute("SELECT patient_nbr FROM clean.encounters WHERE batch_id = 1 LIMIT 1")
    others = installation.execute("SELECT count(*) FROM clean.encounters WHERE patient_nbr <> %(p)s", p=patient)
    store = objects.objects(settings)
    store.put(TOMBSTONES + tombstone_name(settings.patient_keys[0], patient), b"")
    done = installation.run("restore", str(tmp_path / "backups"))
    assert done.returncode == 0, done.stderr
    assert installation.execute(COUNT, patient=patient) == [(0,)]
    assert installation.execute("SELECT count(*) FROM clean.encounters WHERE patient_nbr <> %(p)s", p=patient) == others
    for (key,) in installation.execute("SELECT snapshot FROM clean.batches"):
        table = pyarrow.parquet.read_table(io.BytesIO(store.get(key)))
        assert patient not in table["patient_nbr"].to_pylist()
    assert installation.execute("SELECT count(*) FROM privacy.reissues")[0][0] >= 1
    assert len(store.keys("clean/")) == 2


class Clinic(NamedTuple):
    """An installation with people who came in by every door, some of them on their way still.

    Attributes:
        person: Somebody with a number and a name in a record system.
        guest: Somebody whom a record system names by reference only.
        others: Predictions of others.
    """

    installation: Installation
    person: Patient
    guest: Patient
    others: int

    @property
    def settings(self) -> Settings:
        return self.installation.settings

    def start(self) -> Api:
        """Start the API of this installation, without a registry."""
        key, earlier = self.settings.privacy.patient_key, self.settings.privacy.previous_patient_keys
        assert key is not None
        environment = {
            "READMISSION_POSTGRES_PORT": str(self.settings.postgres.port),
            "READMISSION_POSTGRES_DATABASE": self.settings.postgres.database,
            "READMISSION_POSTGRES_PASSWORD_SERVING": self.settings.password("serving"),
            "READMISSION_PATIENT_KEY": key.get_secret_value(),
            "READMISSION_PREVIOUS_PATIENT_KEYS": earlier.get_secret_value() if earlier else "",
            **clinic_environment(self.settings.home.parent),
        }
        return Api(self.settings.home, environment)

    def traces(self) -> list[str]:
        """Look for these people in every row of both databases and in every file, byte by byte."""
        encounters = [int(row["encounter_id"]) for row in read_rows() if row["patient_nbr"] == str(self.person.number)]
        numbers = [self.person.number, TORN, *encounters]
        patterns = [str(number).encode() for number in numbers] + [struct.pack("<q", number) for number in numbers]
        pseudonyms = [key.pseudonym(self.person.number)[0] for key in self.settings.patient_keys]
        patterns += [struct.pack("<q", pseudonym) for pseudonym in pseudonyms]
        patterns += [name.encode() for who in (self.person, self.guest) for name in (who.reference, who.stay)]
        traces = []
        for database in ("readmission", "mlflow"):
            for (table,) in self.installation.execute(TABLES, database):
                content = str(self.installation.execute(f"SELECT t::text FROM {table} t", database)).encode()
                traces += [table for pattern in patterns if pattern in content]
        for path in self.settings.home.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                traces += [path.name for pattern in patterns if pattern in content]
                if path.suffix == ".parquet":  # compressed
                    seen = pyarrow.parquet.read_table(io.BytesIO(content)).column("patient_nbr").to_pylist()
                    traces += [path.name] * (self.person.number in seen)
        return sorted(set(traces))


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give rows whose numbers are long enough to be looked for, and a line that cannot be read."""
    path = tmp_path_factory.mktemp("long") / "sample.csv"
    path.write_text(as_csv(read_rows()) + f"{TORN},one,too,few\n")
    return path


@pytest.fixture
def clinic(installation: Installation, compiled: Path, tmp_path: Path) -> Iterator[Clinic]:
    """Bring people in by every door; leave the last of it on the way to the database."""
    settings = installation.settings
    model = with_visits(compiled, read_rows(), tmp_path / "model")
    table = Visits.open(model / "visits.bin")
    number = next(n for n in (table.patient(i) for i in range(table.patients)) if len(table.of(n)) > 1)
    keyed, _ = with_key((model / "visits.bin").read_bytes(), settings.patient_keys[0], (), ())
    (model / "visits.bin").write_bytes(keyed)
    manifest = msgspec.json.decode((model / "manifest.json").read_bytes())
    manifest["files"]["visits.bin"] = file_sha256(model / "visits.bin")
    (model / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    for path in model.iterdir():
        (settings.home / "mlflow-artifacts" / "1" / RUN / "artifacts" / "serving" / path.name).write_bytes(
            path.read_bytes()
        )
    install(settings.home, model, "3")
    assert settings.signing_key is not None and sign_present(settings.home, settings.signing_key) == 2
    encounter = next(int(row["encounter_id"]) for row in read_rows() if row["patient_nbr"] == str(number))
    person = Patient(number, encounter, "pat-871mark", "stay-654mark")
    guest = Patient(0, 0, "guest-871mark", "stay-guest-654mark")
    here = Clinic(installation, person, guest, 0)
    api = here.start().wait("/readyz")
    others = send_requests(api, person, guest)
    # The same person by reference alone, too.
    call_hooks(api, hooks.CALL, msgspec.json.encode(person.call(numbered=False)))
    wait_until_stored(settings, 500 + 9 + len(others))
    installation.execute(
        "INSERT INTO serving.scores (encounter_id, model_name, model_version, p_no, p_late, p_early)"
        " SELECT encounter_id, 'm', '1', 1, 0, 0 FROM clean.encounters"
    )
    with database_down(settings):
        card = call_hooks(api, hooks.CALL, msgspec.json.encode(guest.call(numbered=False))).json()["cards"][0]["uuid"]
        late = msgspec.json.encode(card_feedback(card, f"{guest.reference} is on the ward"))
        assert call_hooks(api, hooks.FEEDBACK, late).is_success
        assert api.predict(patient_nbr=person.number).status_code == 200
        assert api.stop() == 0
    yield here._replace(others=len(others))


@pytest.mark.parametrize("rotated", [False, True], ids=["same key", "rotated key"])
def test_whoever_came_in_by_any_door_is_erased_again(clinic: Clinic, tmp_path: Path, rotated: bool) -> None:
    done = clinic.installation.run("backup", str(tmp_path / "backups"))
    assert done.returncode == 0, done.stderr
    if rotated:
        clinic = rotate(clinic)
    store = objects.objects(clinic.settings)
    for name in (clinic.person.number, TORN, f"Patient/{clinic.guest.reference}"):
        store.put(TOMBSTONES + tombstone_name(clinic.settings.patient_keys[0], name), b"")
    before = clinic.traces()
    expected = {"serving.discharges", "serving.card_feedback", "serving.scores", "raw.quarantine", "visits.bin"}
    assert expected <= {*before}, before
    done = clinic.installation.run("restore", str(tmp_path / "backups"))
    assert done.returncode == 0, done.stderr
    spool = clinic.settings.home / "spool"
    on_their_way = {path.name for path in spool.rglob("*") if path.is_file()}
    assert len(on_their_way) >= 2 and {*clinic.traces()} <= on_their_way
    served = clinic.settings.home / "mlflow-artifacts" / "1" / RUN / "artifacts" / "serving"
    check_folder(served, clinic.settings.trust)
    # What was on its way is dropped by the API.
    api = clinic.start().wait()
    try:
        assert until(lambda: not list(spool.glob("*.log")))
        for path in (spool / "clinic").iterdir():  # its prediction never comes: as if an hour had passed
            event = msgspec.json.decode(path.read_bytes())
            path.write_bytes(msgspec.json.encode(event | {"received_at": "2026-01-01T00:00:00Z"}))
        assert until(lambda: clinic.traces() == [], 40)
    finally:
        api.stop()
    assert clinic.installation.execute("SELECT count(*) FROM serving.predictions") == [(500 + clinic.others,)]
    print(f"\nerased again from {', '.join(before)}: 0 traces left")


def rotate(clinic: Clinic) -> Clinic:
    """Give the installation another key of patients after the backup."""
    path = clinic.settings.home / "secrets.env"
    text = path.read_text().replace("READMISSION_PATIENT_KEY", "READMISSION_PREVIOUS_PATIENT_KEYS")
    path.write_text(f"{text}READMISSION_PATIENT_KEY={ROTATED}\n")
    settings = make_settings(clinic.settings.home, postgres_port=clinic.settings.postgres.port)
    return clinic._replace(installation=Installation(settings))


def test_a_key_of_tombstones_that_is_not_there_is_refused_before_anything_changes(
    installation: Installation, tmp_path: Path
) -> None:
    done = installation.run("backup", str(tmp_path / "backups"))
    assert done.returncode == 0, done.stderr
    installation.execute("DELETE FROM serving.predictions")
    foreign = PatientKey("of an installation that nobody remembers")
    objects.objects(installation.settings).put(TOMBSTONES + tombstone_name(foreign, 5), b"")
    done = installation.run("restore", str(tmp_path / "backups"))
    assert done.returncode == 1 and "READMISSION_PREVIOUS_PATIENT_KEYS" in done.stderr
    assert installation.predictions() == 0, "nothing was put in place"

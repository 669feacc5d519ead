"""A patient comes in by every door and is erased: no byte is left, and nobody else notices.

`make privacy` runs this file. The patient's numbers are looked for in every row of the database, in every file of the
state folder and of MLflow, as text and as the eight bytes of a number, and inside the compressed snapshots.
More than 250 lines, because the proof and the list of what it looks into stand together.
"""

import contextlib
import io
import os
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet
import pytest

from readmission.backup import databases
from readmission.privacy import accesses, inventory
from readmission.settings import Settings
from readmission.steps import ingest, process
from readmission.stores import objects
from tests.integration.api.doors import Patient, demo_for
from tests.integration.api.hospital import Hospital, admit, as_csv, ask_others, execute, read_rows, verb_environment
from tests.integration.api.tools import Registry, Starter, until

TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')"""
#: Places of the inventory that the proof does not look into, and why.
NOT_SCANNED = {
    "cache/*": "the publisher's own file, which the operator deletes",
    "postgres/*": "every row is read instead; free pages go with the vacuum",
    "backup-scratch/*": "there only while a backup is made; backups go with their age",
    "spool/feedback/*": "ids of predictions and outcomes, an hour at most",
    "spool/clinic/*": "what waits for its prediction, an hour at most: tests/integration/backup/test_erasures.py",
    "objects/privacy/tombstones/*": "pseudonyms; looked for only once somebody is erased",
}


@pytest.fixture
def hospital(
    database: Settings, postgres_server: Settings, compiled: dict[str, Path], registry: Registry, start: Starter
) -> Hospital:
    return admit(database, postgres_server.home, compiled["lightgbm"], registry, start)


def erase(
    hospital: Hospital, *arguments: str, program: Sequence[str] = ("-m", "readmission.cli")
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, *program, "erase", "--patient", "-", "--reason", "asked to", *arguments],
        env=os.environ | verb_environment(hospital.settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def erase_wholly(hospital: Hospital, patient: str = "") -> str:
    process_ = erase(hospital)
    output, _ = process_.communicate(f"{patient or hospital.patient}\n", timeout=120)
    assert process_.returncode == 0, output
    assert (patient or str(hospital.patient)) not in output
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
        "predictions": f"serving.predictions WHERE {own} AND coalesce(inputs->>'encounter_id', '') <> ALL(%(texts)s)"
        " AND prediction_id NOT IN (SELECT prediction_id FROM serving.discharges)",
    }
    return {
        name: execute(hospital.settings, f"SELECT count(*) FROM {text}", **values)[0][0]
        for name, text in questions.items()
    }


def find_traces(hospital: Hospital, *people: Patient) -> list[str]:
    """Look for the patient's numbers, and for the names of people in record systems, everywhere, byte by byte."""
    numbers = [hospital.patient, *hospital.encounters]
    patterns = [str(number).encode() for number in numbers] + [struct.pack("<q", number) for number in numbers]
    patterns += [name.encode() for who in (hospital.person, *people) for name in (who.reference, who.stay)]
    traces = []
    for database in (hospital.settings.postgres.database, "mlflow"):
        with contextlib.closing(databases.connect(hospital.settings, database)) as connection:
            cursor = connection.cursor()
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
                if path.suffix == ".parquet":  # compressed
                    seen = pyarrow.parquet.read_table(io.BytesIO(content)).column("patient_nbr").to_pylist()
                    traces += [path.name] * (hospital.patient in seen)
    return sorted(set(traces))


def test_no_byte_of_an_erased_patient_is_left_and_others_stay(hospital: Hospital, tmp_path: Path) -> None:
    own = [row for row in read_rows() if row["patient_nbr"] == str(hospital.patient)]
    with demo_for(hospital.api, hospital.settings.home, UI_API_KEY="w" * 20) as demo:
        demo.score(as_csv(own[:1]).partition("\n")[2], tmp_path)
        check_erasure(hospital)


def scanned_places(hospital: Hospital) -> set[str]:
    """Return the places of the inventory of which a file is there to be looked into."""
    artifacts = hospital.folders[1].parents[0].parent
    paths = [path.relative_to(hospital.settings.home) for path in hospital.settings.home.rglob("*") if path.is_file()]
    paths += [path.relative_to(artifacts) for path in hospital.folders[1].rglob("*") if path.is_file()]
    return {files.patterns[0] for path in paths if (files := inventory.find_files(path.as_posix()))}


def check_erasure(hospital: Hospital) -> None:
    """Erase both patients, and look for what is left of them and at what became of others."""
    before = counts(hospital)
    listed = {files.patterns[0] for files in inventory.FILES if files.contents} - {*NOT_SCANNED}
    seen: set[str] = set()
    # A segment of the spool is there for a second.
    assert hospital.api.predict(patient_nbr=hospital.patient).status_code == 200

    def every_place_is_seen() -> bool:
        seen.update(scanned_places(hospital))
        return listed <= seen

    with contextlib.suppress(AssertionError):
        until(every_place_is_seen, 10)
    assert listed <= seen, listed - seen
    traces = find_traces(hospital, hospital.guest)
    assert {"raw.encounters", "clean.encounters", "raw.quarantine", "visits.bin"} <= set(traces), traces
    patients = hospital.api.info()["history"]["patients"]
    output = erase_wholly(hospital)
    assert "lightgbm" in output
    erase_wholly(hospital, f"Patient/{hospital.guest.reference}")
    # The API follows without a restart.
    assert until(lambda: hospital.api.info()["history"]["patients"] == patients - 1)
    assert until(lambda: find_traces(hospital, hospital.guest) == [], 60)
    assert counts(hospital) == before
    assert len(list((hospital.settings.home / "spool" / "unreadable").iterdir())) == 1, "another's piece stays"
    assert ask_others(hospital.api, hospital.patient) == hospital.others
    # Who has asked is still known, by pseudonym.
    entries = accesses.read_accesses(hospital.settings, hospital.patient)
    routes = sorted(entry.route for entry in entries)
    assert routes == ["/explain", "/predict", "/predict", *["/predict_batch"] * 4, "encounter-discharge", "fhir"]
    assert {entry.client for entry in entries} == {"ward", "st-mary"}
    guest = accesses.read_accesses(hospital.settings, f"Patient/{hospital.guest.reference}")
    assert [(entry.route, entry.client) for entry in guest] == [("fhir", "ward"), ("encounter-discharge", "st-mary")]
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


#: The verb again and again, each time killed after the first effect after which it was not killed before: a commit, an
#: object that was written or deleted, an artifact, a tag. Forked, so that the imports are paid once.
_KILLED = """
import io, os, signal, sys
from contextlib import contextmanager
from mlflow.tracking import MlflowClient
from readmission import cli
from readmission.privacy import erase
from readmission.registry import tracking
from readmission.stores import objects, postgres

seen, number, commits = [], sys.stdin.readline(), 0

def die_after(effect):
    if effect not in seen:
        os.write(out, effect.encode())
        os.kill(os.getpid(), signal.SIGKILL)

def watch(holder, name, position):
    function = getattr(holder, name)
    def call(self, *arguments, **named):
        function(self, *arguments, **named)
        die_after(f'{name} {os.path.basename(str(arguments[position]))}')
    setattr(holder, name, call)

transaction = postgres.transaction
@contextmanager
def committed(*arguments, **named):
    global commits
    with transaction(*arguments, **named) as cursor:
        yield cursor
    commits += 1
    die_after(f'commit {commits}')

postgres.transaction = committed
store = type(objects.objects(cli.load_settings()))
for holder, name, position in ((store, 'put', 0), (store, 'delete', 0), (MlflowClient, 'log_artifact', 1),
                               (MlflowClient, 'set_tag', 1), (MlflowClient, 'set_registered_model_tag', 1)):
    watch(holder, name, position)
while True:
    source, out = os.pipe()
    if (pid := os.fork()) == 0:
        sys.stdin = io.StringIO(number)
        cli.main()
        os._exit(0)
    os.close(out)
    effect = os.read(source, 500).decode()
    os.close(source)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code != -signal.SIGKILL:
        print(*seen, sep='\\n')
        sys.exit(code)
    seen.append(effect)
"""


EFFECTS = ("commit", "put", "delete", "log_artifact", "set_tag", "set_registered_model_tag")


def test_killed_after_every_effect_it_ends_the_same(hospital: Hospital) -> None:
    before = counts(hospital)
    process_ = erase(hospital, program=["-c", _KILLED])
    output, _ = process_.communicate(f"{hospital.patient}\n", timeout=200)
    assert process_.returncode == 0, output
    effects = [line for line in output.splitlines() if line.startswith(EFFECTS)]
    assert {line.split()[0] for line in effects} == {*EFFECTS}
    print(f"\nkilled after each of {len(effects)} effects, then whole")
    assert until(lambda: find_traces(hospital) == [])
    assert counts(hospital) == before
    ended = "SELECT count(*) FROM privacy.erasure_steps WHERE place = 'verified'"
    assert execute(hospital.settings, ended)[0][0] >= 1
    tombstones = execute(hospital.settings, "SELECT token FROM privacy.tombstones")
    # One for the number, one for the name in the record system.
    assert len(tombstones) == 2 and str(hospital.patient) not in str(tombstones)
    assert len(objects.objects(hospital.settings).keys("privacy/tombstones/")) == 2


def test_a_reason_must_not_name_the_patient(hospital: Hospital) -> None:
    process_ = erase(hospital, "--reason", f"patient {hospital.patient} asked")
    output, _ = process_.communicate(f"{hospital.patient}\n", timeout=60)
    assert process_.returncode == 1 and "--reason" in output
    assert execute(hospital.settings, "SELECT count(*) FROM privacy.tombstones") == [(0,)]

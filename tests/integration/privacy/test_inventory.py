"""The inventory knows every column of the migrated database, and shows what the places hold."""

import json
import os
import subprocess
import sys
from pathlib import Path

from readmission.privacy import inventory, report
from readmission.settings import Settings
from readmission.steps import ingest, process
from readmission.stores import postgres

HELP = """
pipelines/readmission/privacy/inventory.py does not know this. Add the columns to its table in TABLES (`patient` if they
say something of a patient, else `other`), or a new Table with the condition by which erasure finds a patient's rows.
"""


def test_every_column_of_the_database_is_registered(database: Settings) -> None:
    with postgres.transaction(database, "privacy") as cursor:
        problems = inventory.unregistered_columns(cursor)
    assert problems == [], HELP + "\n".join(problems)


def test_a_new_column_and_a_new_table_are_noticed(database: Settings) -> None:
    with postgres.transaction(database, "owner") as cursor:
        cursor.execute("ALTER TABLE serving.feedback ADD COLUMN ward text; CREATE TABLE serving.extra (patient int)")
        problems = inventory.unregistered_columns(cursor)
        cursor.connection.rollback()
    assert problems == ["serving.extra.patient is not registered", "serving.feedback.ward is not registered"]


def test_the_role_of_erasure_may_delete_from_every_table_with_rows_of_one_patient(database: Settings) -> None:
    with postgres.transaction(database, "privacy") as cursor:
        for table in (table for table in inventory.TABLES if table.contents):
            cursor.execute(
                "SELECT has_table_privilege(%(table)s, 'SELECT'), has_table_privilege(%(table)s, 'DELETE')",
                {"table": table.name},
            )
            read, delete = cursor.fetchone()
            assert read, f"GRANT SELECT ON {table.name} TO readmission_privacy in your migration"
            assert delete or not table.erase, f"GRANT DELETE ON {table.name} TO readmission_privacy in your migration"


def test_the_report_counts_rows_and_names_readers(database: Settings, sample: Path) -> None:
    config = database.replace(batch_size=1000)
    ingest.run(config, source=str(sample))
    process.run(config)
    places = {location.name: location for location in report.places(config)}
    raw, clean = places["raw.encounters"], places["clean.encounters"]
    assert raw.count == 1000 and raw.oldest.startswith("20") and raw.retention == "until erased"
    assert clean.count > 700 and clean.readers == "monitor, owner, privacy, process, score, train"
    assert places["raw.quarantine"].retention == "90 days"
    assert places["objects/clean/*.parquet"].count == 1


def test_the_verb_prints_every_place(database: Settings) -> None:
    passwords = {
        f"READMISSION_POSTGRES_{name}": value
        for name, value in {
            "PASSWORD_PRIVACY": database.password("privacy"),
            "PORT": str(database.postgres.port),
            "DATABASE": database.postgres.database,
        }.items()
    }
    done = subprocess.run(
        [sys.executable, "-m", "readmission.cli", "privacy", "inventory", "--json"],
        env=os.environ | passwords | {"READMISSION_HOME": str(database.home)},
        capture_output=True,
        text=True,
        check=True,
    )
    names = {location["name"] for location in json.loads(done.stdout)}
    assert {table.name for table in inventory.TABLES if table.contents} <= names

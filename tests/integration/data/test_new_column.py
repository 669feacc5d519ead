"""A new raw column is an edit of the contract and one command: done here in a copy of the package."""

import csv
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from readmission.data import snapshots
from readmission.settings import Settings
from readmission.stores import postgres

PACKAGE = Path(__file__).parents[3] / "pipelines" / "readmission"
ANCHOR = '    Column(TARGET, "Readmitted"'
COLUMN = '    Column("blood_pressure", "Blood pressure", "labs", Integer(40, 300), nullable=True, unit="mmHg"),\n'


@pytest.fixture
def run(database: Settings, postgres_server: Settings, tmp_path: Path) -> Callable[..., str]:
    """Give what runs a module of the copied package on the test's database."""
    shutil.copytree(PACKAGE, tmp_path / "readmission", ignore=shutil.ignore_patterns("__pycache__"))
    environment = os.environ | {
        "PYTHONPATH": str(tmp_path),
        "READMISSION_HOME": str(postgres_server.home),  # where the passwords are
        "READMISSION_POSTGRES_PORT": str(database.postgres.port),
        "READMISSION_POSTGRES_DATABASE": database.postgres.database,
        "READMISSION_OBJECT_STORE": str(tmp_path / "objects"),
        "READMISSION_BATCH_SIZE": "1000",
    }

    def run_module(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *command], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run_module


def _rows(sample: Path, count: int) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(sample.read_text().split("\n", 1)[1])))[:count]


def _write(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        file.write("# synthetic\n")
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def _query(settings: Settings, text: str) -> list[tuple[Any, ...]]:
    with postgres.transaction(settings, "monitor") as cursor:
        cursor.execute(text)
        return list(cursor.fetchall())


def test_a_new_raw_column_reaches_the_clean_table(
    run: Callable[..., str], database: Settings, sample: Path, tmp_path: Path
) -> None:
    rows = _rows(sample, 60)
    run("readmission.cli", "ingest", "--source", str(_write(tmp_path / "before.csv", rows[:20])))
    run("readmission.cli", "process")
    run("readmission.cli", "ingest", "--source", str(_write(tmp_path / "unprocessed.csv", rows[20:30])))

    path = tmp_path / "readmission" / "contract" / "__init__.py"
    assert path.read_text().count(ANCHOR) == 1
    path.write_text(path.read_text().replace(ANCHOR, COLUMN + ANCHOR))
    migration = Path(run("readmission.migrations.generate", "add_blood_pressure").strip())
    assert migration.parent == tmp_path / "readmission" / "migrations" / "versions"
    run("readmission.cli", "migrate")

    after = [row | {"blood_pressure": "?" if i == 0 else str(100 + i)} for i, row in enumerate(rows[30:])]
    run("readmission.cli", "ingest", "--source", str(_write(tmp_path / "after.csv", after)))
    run("readmission.cli", "process")

    pressures = dict(_query(database, "SELECT encounter_id, blood_pressure FROM clean.encounters"))
    ids = [int(row["encounter_id"]) for row in rows]
    clean = [position for position, encounter in enumerate(ids) if encounter in pressures]
    assert len(clean) >= 50
    assert [pressures[ids[i]] for i in clean] == [None if i <= 30 else 70 + i for i in clean]
    frame = snapshots.find(database.replace(object_store=str(tmp_path / "objects"))).frame()
    assert frame["blood_pressure"].notna().sum() == sum(pressure is not None for pressure in pressures.values())

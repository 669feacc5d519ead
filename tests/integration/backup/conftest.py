"""A small installation with a server of its own, a model and rows, to be backed up and restored."""

import io
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest

from readmission import models
from readmission.backup import collection, databases, manifest
from readmission.backup.locations import Folder
from readmission.backup.manifest import BackupManifest
from readmission.data import synthetic
from readmission.embedded.custody import sign_present
from readmission.features import encoding
from readmission.scorer import compiler
from readmission.settings import Settings
from readmission.steps import ingest, migrate, process
from readmission.stores import postgres
from tests.conftest import run_postgres

KEY = "a key that the site keeps elsewhere"
RUN = "5b0c0b1d4f1f4c47a1d3f6f2c8c1b7aa"
#: As MLflow makes them, without the columns that nobody here reads; the drill backs up and restores its real ones.
MLFLOW = f"""
CREATE TABLE runs (run_uuid text PRIMARY KEY, artifact_uri text);
CREATE TABLE model_versions (name text, version integer, run_id text, PRIMARY KEY (name, version));
CREATE TABLE registered_model_aliases (name text, alias text, version integer, PRIMARY KEY (name, alias));
INSERT INTO runs VALUES ('{RUN}', 'mlflow-artifacts:/1/{RUN}/artifacts');
INSERT INTO model_versions VALUES ('diabetes_readmission', 3, '{RUN}');
INSERT INTO registered_model_aliases VALUES ('diabetes_readmission', 'champion', 3);
"""
_PREDICTIONS = """
INSERT INTO serving.predictions (prediction_id, predicted_at, model_name, model_version, inputs, inputs_sha256,
  prediction, p_no, p_late, p_early, missing, latency_ms, request_id)
SELECT gen_random_uuid(), now(), 'm', '3', '{}', '', 'NO', 1, 0, 0, '{}', 1, 'r' FROM generate_series(1, %(count)s)"""


@dataclass
class Installation:
    """One installation: its settings, and what a person does with it."""

    settings: Settings

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), env=self.environment, capture_output=True, text=True, check=False
        )

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command(*arguments), env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    @staticmethod
    def command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "readmission.cli", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "READMISSION_HOME": str(self.settings.home),
            "READMISSION_POSTGRES_PORT": str(self.settings.postgres.port),
            "READMISSION_BACKUP_KEY": KEY,
        }

    def execute(self, statement: str, database: str = "readmission", **values: object) -> list[tuple]:
        with databases.connect(self.settings, database) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            rows = cursor.fetchall() if cursor.description else []
        connection.close()
        return rows

    def predictions(self) -> int:
        """Count as the monitor does: its rights must have come back too."""
        with postgres.transaction(self.settings, "monitor") as cursor:
            cursor.execute("SELECT count(*) FROM serving.predictions")
            return int(cursor.fetchone()[0])

    def add_predictions(self, count: int) -> None:
        self.execute(_PREDICTIONS, count=count)

    def databases(self) -> set[str]:
        return {row[0] for row in self.execute("SELECT datname FROM pg_database WHERE NOT datistemplate")}


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the artifact folder of a small model."""
    text = pd.read_csv(io.BytesIO(synthetic.generate(800, seed=5)), dtype=str, keep_default_na=False, skiprows=1)
    frame = encoding.typed_frame(text)
    fitted = models.build("logistic_regression", {"max_iter": 20}).fit(frame, encoding.target(frame))
    folder = tmp_path_factory.mktemp("compiled")
    compiler.compile_pipeline(
        fitted, folder, family="logistic_regression", sample=frame[:100], metrics={}, synthetic=True, run_id=RUN
    )
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Run a PostgreSQL whose databases a test may replace."""
    with run_postgres(tmp_path_factory.mktemp("backup")) as settings:
        yield settings


@pytest.fixture
def installation(server: Settings, compiled: Path, sample: Path, tmp_path: Path) -> Iterator[Installation]:
    """Give an installation with two batches, a champion, 500 predictions and a piece of the spool."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "secrets.env").write_text((server.home / "secrets.env").read_text())
    settings = server.replace(home=home, batch_size=1000)
    migrate.run(settings)
    ingest.run(settings, source=str(sample), every=True)
    process.run(settings)
    it = Installation(settings)
    it.execute(MLFLOW, "mlflow")
    for table in ("runs", "model_versions", "registered_model_aliases"):
        it.execute(f"ALTER TABLE {table} OWNER TO readmission_mlflow", "mlflow")
    it.add_predictions(500)
    serving = home / "mlflow-artifacts" / "1" / RUN / "artifacts" / "serving"
    serving.parent.mkdir(parents=True)
    shutil.copytree(compiled, serving)
    assert settings.signing_key is not None and sign_present(home, settings.signing_key) == 1
    (home / "spool").mkdir()
    name = f"{int(datetime.now(UTC).timestamp() * 1e9):020d}-{uuid.uuid4().int % 99999}.log"
    (home / "spool" / name).write_bytes(b"not in the database yet")
    yield it
    with databases.administer(settings) as cursor:
        for database in it.databases() - {"postgres"}:
            databases.drop(cursor, database)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def backup(installation: Installation, target: Path) -> Path:
    done = installation.run("backup", str(target))
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def rewrite(path: Path, change: Callable[[BackupManifest], BackupManifest]) -> None:
    """Write another manifest with a digest that matches."""
    content = manifest.encode_manifest(change(collection.read_backup_manifest(Folder(path))))
    for name, data in zip((manifest.NAME, manifest.DIGEST), content, strict=True):
        (path / name).write_bytes(data)


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }

"""A system of a release before signing has its versions signed when the key is made, and never again."""

import json
from pathlib import Path

import pytest

from readmission.embedded import secrets
from readmission.scorer import custody
from readmission.scorer.manifest import ArtifactError
from readmission.settings import Settings

RUN = "5b0c0b1d4f1f4c47a1d3f6f2c8c1b7aa"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give the state folder of an earlier release with a version in MLflow and a copy of the API."""
    pipeline = tmp_path / "mlflow-artifacts" / "1" / "models" / "m-1" / "artifacts"
    for folder in (served(tmp_path), copied(tmp_path), pipeline):
        folder.mkdir(parents=True)
    for folder in (served(tmp_path), copied(tmp_path)):
        (folder / "manifest.json").write_text(json.dumps({"run_id": RUN, "files": {}}))
    (pipeline / "MLmodel").write_text(f"artifact_path: x\nrun_id: {RUN}\n")
    path = secrets.ensure(tmp_path / "new")
    lines = [line for line in path.read_text().splitlines(keepends=True) if "SIGNING_KEY" not in line]
    (tmp_path / "secrets.env").write_text("".join(lines))
    return tmp_path


def served(home: Path) -> Path:
    return home / "mlflow-artifacts" / "1" / RUN / "artifacts" / "serving"


def copied(home: Path) -> Path:
    return home / "models" / "diabetes_readmission" / "3"


def test_what_is_there_is_signed_when_the_key_is_made(home: Path) -> None:
    settings = Settings(_env_file=[secrets.ensure(home)], home=home)
    for folder in (served(home), copied(home)):
        custody.check_folder(folder, settings.trust)
    statement = custody.read_statement((copied(home) / custody.SIGNATURE).read_bytes(), settings.trust)
    pipeline = home / "mlflow-artifacts" / "1" / "models" / "m-1" / "artifacts"
    assert (statement.run_id, statement.pipeline_sha256) == (RUN, custody.digest_folder(pipeline))


def test_what_comes_unsigned_later_stays_so(home: Path) -> None:
    settings = Settings(_env_file=[secrets.ensure(home)], home=home)
    (copied(home) / custody.SIGNATURE).unlink()
    secrets.ensure(home)
    with pytest.raises(ArtifactError, match="is not signed"):
        custody.check_folder(copied(home), settings.trust)

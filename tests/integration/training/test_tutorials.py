"""The pages *Your first model* and *Run it at night*: their blocks are executed, their output is compared."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from readmission import models, settings
from readmission.settings import Settings
from readmission.steps import promote, train
from readmission.stores import postgres
from tests.integration.training.conftest import clean, query

DOCS = Path(__file__).parents[3] / "docs"


def blocks(page: str) -> list[tuple[str, str]]:
    """Return the fenced blocks of a page: language and content."""
    return re.findall(r"^```(\w+)\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.M)


def test_the_first_model_gives_what_its_page_shows(
    system: Settings, real_source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = clean(system, real_source, batch_size=15_000)
    train.run(config, families="lightgbm")
    promote.run(config)
    monkeypatch.setattr(settings, "load_settings", lambda: config)
    monkeypatch.setattr(models, "FAMILIES", dict(models.FAMILIES))
    session: dict[str, object] = {}
    capsys.readouterr()
    printed = ""
    compared = 0
    for language, content in blocks("your-first-model.md"):
        if language == "python":
            exec(compile(content, "your-first-model.md", "exec"), session)
            printed = capsys.readouterr().out
        else:
            assert [line.rstrip() for line in printed.splitlines()] == content.splitlines()
            compared += 1
    assert compared == 3
    run = str(session["run_id"])
    assert query(config, f"SELECT family FROM training.runs WHERE run_id = '{run}'") == [("small",)]


def test_a_night_by_cron_ends_with_scores_and_the_next_one_changes_nothing(
    postgres_server: Settings, system: Settings, sample: Path
) -> None:
    (script,) = (content for language, content in blocks("run-it-at-night.md") if language == "bash")
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "READMISSION_HOME": str(postgres_server.home),
        "READMISSION_POSTGRES_PORT": str(system.postgres.port),
        "READMISSION_POSTGRES_DATABASE": system.postgres.database,
        "READMISSION_MLFLOW_URI": system.mlflow.tracking_uri,
        "READMISSION_EXPERIMENT": system.mlflow.experiment,
        "READMISSION_MODEL_NAME": system.mlflow.model_name,
        "READMISSION_SOURCE": str(sample),
    }

    def night() -> list[tuple[object, ...]]:
        done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        with postgres.transaction(system, "score") as cursor:
            cursor.execute("SELECT count(*), min(model_version), max(model_version) FROM serving.scores")
            return list(cursor.fetchall())

    first = night()
    assert first[0][0] and first[0][1] == first[0][2] == "1"
    assert night() == first

"""Every run of a step leaves one row: how long, and how it ended."""

from pathlib import Path

import pytest

from readmission.settings import Settings
from readmission.stores import postgres, step_runs


def runs(config: Settings) -> list[tuple]:
    with postgres.transaction(config, "monitor") as cursor:
        cursor.execute("SELECT step, result, finished >= started FROM monitoring.step_runs ORDER BY id")
        return cursor.fetchall()


def test_each_way_to_end_is_recorded_by_the_step_s_own_role(database: Settings) -> None:
    with step_runs.recorded(database, "ingest", "ingest"):
        pass
    with step_runs.recorded(database, "process", "process") as nothing_to_do:
        nothing_to_do()
    with pytest.raises(ValueError, match="broken"), step_runs.recorded(database, "train", "train"):
        raise ValueError("broken")
    assert runs(database) == [
        ("ingest", "success", True),
        ("process", "nothing to do", True),
        ("train", "failure", True),
    ]


def test_a_database_that_is_away_does_not_fail_the_step(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    away = Settings(home=tmp_path, postgres_port=9, postgres_password_ingest="x")
    done = []
    with step_runs.recorded(away, "ingest", "ingest"):
        done.append(True)
    assert done
    assert "is not recorded" in caplog.text

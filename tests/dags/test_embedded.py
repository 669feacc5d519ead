"""Airflow as part of the embedded system: its configuration, its secrets, the feed beside it."""

import base64
import contextlib
import sqlite3
from importlib.util import find_spec
from pathlib import Path

import pytest

from readmission.embedded import airflow, dags
from readmission.embedded.components import parts
from readmission.embedded.supervisor import Supervisor
from tests.conftest import make_settings


def test_airflow_is_there_when_asked_for_or_known(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    assert "airflow" not in {part.name for part in parts(settings)}
    more = {part.name for part in parts(settings, {"airflow"})}
    assert {"feed", "airflow", "airflow-scheduler", "airflow-dag-processor"} <= more
    assert more == {part.name for part in parts(make_settings(tmp_path, airflow=True))}


def test_no_secret_stands_on_a_command_line_or_in_the_supervisors_file(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, airflow=True)
    secrets = {line.partition("=")[2] for line in (tmp_path / "secrets.env").read_text().splitlines()}
    config = Supervisor(settings)._configuration(parts(settings))
    assert len(secrets) > 10
    assert not [secret for secret in secrets if secret in config]


def test_keys_stay_the_same_and_differ_from_each_other(tmp_path: Path) -> None:
    first, again = (airflow.environment(make_settings(tmp_path)) for _ in range(2))
    names = ["AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET"]
    assert [first[name] for name in names] == [again[name] for name in names]
    assert len({first[name] for name in names}) == len(names)
    assert len(base64.urlsafe_b64decode(first[names[0]])) == 32


def test_the_feed_is_quick_here_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    def feed(**values: object) -> dict[str, str]:
        settings = make_settings(tmp_path, airflow=True, **values)
        return next(part for part in parts(settings) if part.name == "feed").environment

    assert feed()["READMISSION_FEED_INTERVAL"] == "60"
    assert feed()["READMISSION_FEED_OPENING"] == ""
    assert "READMISSION_FEED_INTERVAL" not in feed(feed_interval=5)
    assert "READMISSION_FEED_OPENING" not in feed(feed_opening="08:00-09:00")
    assert feed(source="/data.zip")["READMISSION_FEED_SOURCE"] == "/data.zip"
    assert feed(source="feed+http://elsewhere")["READMISSION_FEED_SOURCE"] == ""


def test_the_dags_settings_in_the_environment_go_before_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__READMISSION__RETRIES", "9")
    monkeypatch.setenv("AIRFLOW__READMISSION__RETRY_DELAY", "1")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    environment = airflow.environment(make_settings(tmp_path))
    assert environment["AIRFLOW__READMISSION__RETRIES"] == "9"
    assert environment["AIRFLOW__READMISSION__RETRY_DELAY"] == "1"
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"


def test_airflow_has_what_it_sends_its_metrics_with() -> None:
    """Without this package it logs one line and sends none."""
    assert find_spec("statsd")


def test_the_pool_of_trainings_is_there_and_follows_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(tmp_path)
    for slots in (3, 5):
        monkeypatch.setenv("AIRFLOW__READMISSION__TRAIN_PARALLEL", str(slots))
        dags.scratch(settings)
        with contextlib.closing(sqlite3.connect(tmp_path / "airflow-test" / "airflow.db")) as tables:
            pools = dict(tables.execute("SELECT pool, slots FROM slot_pool"))
        assert pools[airflow.TRAINING_POOL] == slots

"""A restore brings everything back or nothing: over an existing system, into an empty one, killed, and from S3."""

import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import get_args

import boto3
import pytest
from pydantic import SecretStr

from readmission.backup import areas, create, databases, restore
from readmission.embedded import pgserver
from readmission.errors import UserError
from readmission.settings import Role, Settings
from tests.conftest import free_port
from tests.integration.backup.conftest import KEY, Installation, backup, files

#: Sessions of a killed restore that the server has not ended yet.
WORKING = """
SELECT 1 FROM pg_stat_activity WHERE application_name IN ('pg_restore', 'readmission backup')
AND pid <> pg_backend_pid()"""


def test_deleted_rows_come_back_over_an_existing_system(installation: Installation, target: Path) -> None:
    """What `psql -f` of a pg_dumpall did not do, and ended with 0 all the same."""
    backup(installation, target)
    before = files(installation.settings.home / "objects") | files(installation.settings.home / "mlflow-artifacts")
    installation.execute("DELETE FROM serving.predictions")
    installation.execute("DELETE FROM registered_model_aliases", "mlflow")
    shutil.rmtree(installation.settings.home / "mlflow-artifacts")
    done = installation.run("restore", str(target))
    assert done.returncode == 0, done.stderr
    assert installation.predictions() == 500
    assert installation.execute("SELECT version FROM registered_model_aliases", "mlflow") == [(3,)]
    assert (
        files(installation.settings.home / "objects") | files(installation.settings.home / "mlflow-artifacts") == before
    )
    assert installation.databases() == {"postgres", "readmission", "mlflow", "airflow"}


def test_into_an_empty_home_with_the_secrets_of_then(installation: Installation, target: Path, tmp_path: Path) -> None:
    backup(installation, target)
    new = installation.settings.replace(home=tmp_path / "new", postgres_port=free_port())
    done = Installation(new).run("restore", str(target))
    assert done.returncode == 0, done.stderr
    secrets = [
        sorted((home / "secrets.env").read_text().splitlines()) for home in (new.home, installation.settings.home)
    ]
    assert secrets[0] == secrets[1]
    for name in ("objects", "mlflow-artifacts", "spool"):
        assert files(new.home / name) == files(installation.settings.home / name)
    assert not pgserver.accepts(new)(), "the server that the restore started still runs"
    server = subprocess.Popen(pgserver.command(new), cwd="/")
    try:
        deadline = time.monotonic() + 30
        while not pgserver.accepts(new)():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert Installation(new).predictions() == 500
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


def test_a_killed_restore_leaves_all_or_nothing_and_another_finishes(installation: Installation, target: Path) -> None:
    backup(installation, target)
    installation.execute("DELETE FROM serving.predictions")
    whole = "SELECT count(*) FROM pg_database WHERE datname = %(name)s"
    for waited in ("readmission_restoring", "airflow_restoring", "readmission_replaced"):
        running = installation.start("restore", str(target))
        while running.poll() is None and not installation.execute(whole, "postgres", name=waited)[0][0]:
            time.sleep(0.001)
        running.send_signal(signal.SIGKILL)
        running.wait(30)
        deadline = time.monotonic() + 30
        while installation.execute(WORKING, "postgres"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with databases.take_snapshot(installation.settings, "readmission") as snapshot:
            rows = databases.count_rows(snapshot.cursor)
        after = [count for table, count in rows.items() if table.startswith("serving.predictions")]
        # Before the swap what was there, after it what was saved, whole.
        assert sum(after) == (500 if waited.endswith("_replaced") else 0)
    done = installation.run("restore", str(target))
    assert done.returncode == 0, done.stderr
    assert installation.predictions() == 500
    assert installation.databases() == {"postgres", "readmission", "mlflow", "airflow"}


def test_restoring_twice_is_restoring_once(installation: Installation, target: Path) -> None:
    backup(installation, target)
    for _ in range(2):
        done = installation.run("restore", str(target))
        assert done.returncode == 0, done.stderr
        assert installation.predictions() == 500
    assert len(list((installation.settings.home / "spool").iterdir())) == 1


def test_from_and_to_s3(installation: Installation, s3: str) -> None:
    client = boto3.client("s3", endpoint_url=s3)
    artifacts = installation.settings.home / "mlflow-artifacts"
    for key in files(artifacts):
        client.upload_file(str(artifacts / key), "lake", f"mlflow/{key}")
    shutil.rmtree(artifacts)
    settings: Settings = installation.settings.replace(
        s3_endpoint=s3, mlflow_artifacts="s3://lake/mlflow", backup_key=SecretStr(KEY)
    )
    location = create.run(settings, "s3://lake/backups", keep=1)
    assert location.startswith("s3://lake/backups/readmission-")
    keys = {entry["Key"] for entry in client.list_objects_v2(Bucket="lake", Prefix="mlflow/")["Contents"]}
    assert len(keys) >= 3
    for key in keys:
        client.delete_object(Bucket="lake", Key=key)
    installation.execute("DELETE FROM serving.predictions")
    restore.run(settings, "s3://lake/backups")
    assert installation.predictions() == 500
    assert {entry["Key"] for entry in client.list_objects_v2(Bucket="lake", Prefix="mlflow/")["Contents"]} == keys
    entry = next(
        e for e in client.list_objects_v2(Bucket="lake", Prefix="backups/")["Contents"] if "golden" in e["Key"]
    )
    client.delete_object(Bucket="lake", Key=entry["Key"])
    with pytest.raises(UserError, match=r"1 of .* files are missing"):
        restore.run(settings, "s3://lake/backups")


def test_an_administrator_who_is_no_superuser_is_enough(installation: Installation, target: Path) -> None:
    """As a cloud's server has one, and with every password in the environment instead of a home folder."""
    roles = ", ".join(f"readmission_{role}" for role in get_args(Role))
    installation.execute(
        f"CREATE ROLE site LOGIN CREATEDB CREATEROLE PASSWORD 'pass'; GRANT {roles} TO site WITH ADMIN OPTION"
    )
    old = installation.settings
    passwords = {f"postgres_password_{role}": SecretStr(old.password(role)) for role in get_args(Role)}
    home = target.parent / "external"
    shutil.copytree(old.home / "mlflow-artifacts", home / "mlflow-artifacts")
    site = {"home": home, "postgres_admin_user": "site", "postgres_password_admin": SecretStr("pass")}
    settings = old.replace(**(passwords | site))
    try:
        create.run(settings, str(target), without_secrets=True)
        installation.execute("DELETE FROM serving.predictions")
        restore.run(settings, str(target))
        assert installation.predictions() == 500
        assert not (home / "secrets.env").exists()
    finally:
        installation.execute(f"REVOKE {roles} FROM site CASCADE; DROP ROLE site", "postgres")


def test_less_than_all_ends_with_an_error_and_keeps_what_was_replaced(
    installation: Installation, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the store had lost a file between writing and reading."""
    backup(installation, target)
    shutil.rmtree(installation.settings.home / "objects")
    bring_back = areas.bring_back
    monkeypatch.setattr(areas, "bring_back", lambda name, *rest: None if name == "objects" else bring_back(name, *rest))
    with pytest.raises(UserError, match=r"The restore is not whole: objects/clean/batch=0001/.* kept as \*_replaced"):
        restore.run(installation.settings, str(target), without_secrets=True)
    assert {"readmission", "readmission_replaced", "mlflow_replaced"} <= installation.databases()
    monkeypatch.undo()
    restore.run(installation.settings, str(target), without_secrets=True)
    assert installation.databases() == {"postgres", "readmission", "mlflow", "airflow"}

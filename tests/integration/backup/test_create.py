"""A backup is whole or none: killed, refused, and without a secret that can be read."""

import shutil
import signal
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from readmission.backup import collection, create, databases, restore
from readmission.backup.locations import Folder
from readmission.errors import UserError
from tests.integration.backup.conftest import KEY, Installation, backup, files


def test_no_secret_is_readable_in_a_backup(installation: Installation, target: Path) -> None:
    path = backup(installation, target)
    secrets = [line.split("=", 1)[1] for line in (installation.settings.home / "secrets.env").read_text().splitlines()]
    assert len(secrets) > 10
    for stored in path.rglob("*"):
        if stored.is_file():
            data = stored.read_bytes()
            assert not [secret for secret in secrets if secret.encode() in data], stored
            assert stored.stat().st_mode & 0o077 == 0
    wrong = installation.settings.replace(backup_key=SecretStr(KEY + "!"))
    with pytest.raises(UserError, match="not the key that encrypted them"):
        restore.run(wrong, str(target))
    with pytest.raises(UserError, match="--without-secrets"):
        restore.run(installation.settings, str(target))
    with pytest.raises(UserError, match="openssl rand"):
        create.run(installation.settings, str(target))


def test_a_backup_beside_the_data_is_refused(installation: Installation) -> None:
    with pytest.raises(UserError, match="inside the state folder"):
        create.run(installation.settings, str(installation.settings.home / "backups"), without_secrets=True)


def test_a_champion_whose_files_are_gone_is_no_backup(installation: Installation, target: Path) -> None:
    shutil.rmtree(installation.settings.home / "mlflow-artifacts")
    with pytest.raises(UserError, match="not whole in"):
        create.run(installation.settings, str(target), without_secrets=True)
    assert collection.whole_backups(Folder(target)) == []


def test_two_at_once_are_refused(installation: Installation, target: Path) -> None:
    with databases.administer(installation.settings), pytest.raises(UserError, match="Another backup or restore runs"):
        create.run(installation.settings, str(target), without_secrets=True)


def test_the_run_is_recorded_for_the_metric_of_its_age(installation: Installation, target: Path) -> None:
    create.run(installation.settings, str(target), without_secrets=True)
    rows = installation.execute("SELECT step, result FROM monitoring.step_runs")
    assert ("backup", "success") in rows


def test_a_killed_backup_is_none_and_the_one_before_stays(installation: Installation, target: Path) -> None:
    first = backup(installation, target)
    content = files(first)
    installation.add_predictions(1)
    for delay in (0.0, 0.1, 0.4):
        running = installation.start("backup", str(target))
        deadline = time.monotonic() + 30
        while not list(target.glob("*.unfinished")):
            assert running.poll() is None and time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(delay)
        running.send_signal(signal.SIGKILL)
        if running.wait(30) != -signal.SIGKILL:
            break  # it was done already
        assert collection.whole_backups(Folder(target)) == [first.name]
        assert files(first) == content
    second = backup(installation, target)
    assert not (installation.settings.home / "backup-scratch").exists()
    assert not list(target.glob("*.unfinished"))
    assert collection.choose_backup(Folder(target)).url == str(second)
    assert files(first) == content

"""A backup restores everything or nothing: damaged, foreign and unfinished ones, kills, clients, and the way back."""

import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import get_args

import boto3
import msgspec
import pytest
from pydantic import SecretStr

from readmission.backup import areas, collection, create, databases, manifest, restore
from readmission.backup.locations import Folder
from readmission.backup.manifest import BackupManifest
from readmission.embedded import pgserver
from readmission.embedded.supervisor import Supervisor
from readmission.errors import UserError
from readmission.settings import Role, Settings
from tests.conftest import free_port
from tests.integration.backup.conftest import KEY, Installation

#: Sessions of a killed restore that the server has not ended yet.
WORKING = """
SELECT 1 FROM pg_stat_activity WHERE application_name IN ('pg_restore', 'readmission backup')
AND pid <> pg_backend_pid()"""


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


def test_with_a_client_nothing_is_replaced_and_it_says_so(installation: Installation, target: Path) -> None:
    backup(installation, target)
    installation.execute("DELETE FROM serving.predictions")
    with contextlib.closing(databases.connect(installation.settings, "readmission")):
        done = installation.run("restore", str(target))
    assert done.returncode == 1
    assert "in use by postgres (readmission backup, 1 on readmission)" in done.stderr
    assert "Traceback" not in done.stderr
    assert installation.predictions() == 0


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


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("harm", [_flip, _truncate, Path.unlink], ids=["flipped bit", "truncated", "missing"])
@pytest.mark.parametrize(
    "pattern",
    [
        "databases/*.dump",
        "objects/**/*.parquet",
        "artifacts/**/golden.json",
        "secrets.enc",
        "manifest.json",
        "manifest.sha256",
    ],
)
def test_a_damaged_backup_is_refused(
    installation: Installation, target: Path, pattern: str, harm: Callable[[Path], None]
) -> None:
    path = backup(installation, target)
    installation.execute("DELETE FROM serving.predictions")
    harm(next(path.glob(pattern)))
    with pytest.raises(UserError, match=r"damaged|There is no whole backup"):
        restore.run(installation.settings, str(target))
    assert installation.predictions() == 0
    assert installation.databases() == {"postgres", "readmission", "mlflow", "airflow"}


def test_what_is_not_what_the_manifest_says_is_never_put_in_place(installation: Installation, target: Path) -> None:
    """As if pg_restore had lost a row, or the software answered otherwise."""
    settings = installation.settings.replace(backup_key=None)
    path = backup(installation, target)
    installation.execute("DELETE FROM serving.predictions")
    original = (path / manifest.NAME).read_bytes(), (path / manifest.DIGEST).read_bytes()

    def more_rows(read: BackupManifest) -> BackupManifest:
        dump = read.databases["readmission"]
        more = msgspec.structs.replace(dump, tables=dump.tables | {"raw.batches": 3})
        return msgspec.structs.replace(read, databases=read.databases | {"readmission": more})

    def other_answers(read: BackupManifest) -> BackupManifest:
        assert read.champion and len(read.champion.golden) > 5
        golden = [(0.5, 0.25, 0.25), *read.champion.golden[1:]]
        return msgspec.structs.replace(read, champion=msgspec.structs.replace(read.champion, golden=golden))

    def other_format(read: BackupManifest) -> BackupManifest:
        return msgspec.structs.replace(read, format=2)

    def later(read: BackupManifest) -> BackupManifest:
        return msgspec.structs.replace(read, revision="9999")

    for change, message in (
        (more_rows, "the rows of raw.batches differ"),
        (other_answers, "golden rows"),
        (other_format, "format 2"),
        (later, "later version"),
    ):
        rewrite(path, change)
        with pytest.raises(UserError, match=message):
            restore.run(settings, str(target), without_secrets=True)
        assert installation.predictions() == 0
        for name, data in zip((manifest.NAME, manifest.DIGEST), original, strict=True):
            (path / name).write_bytes(data)


def test_a_foreign_backup_needs_force(installation: Installation, target: Path) -> None:
    backup(installation, target)
    installation.add_predictions(7)
    installation.execute("UPDATE public.installation SET id = gen_random_uuid()")
    refused = installation.run("restore", str(target))
    assert refused.returncode == 1
    assert "--force" in refused.stderr
    assert installation.predictions() == 507
    forced = installation.run("restore", str(target), "--force")
    assert forced.returncode == 0, forced.stderr
    assert installation.predictions() == 500


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
    with pytest.raises(UserError, match="not the key of then"):
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


def test_a_running_embedded_system_must_be_stopped_first(
    installation: Installation, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(installation, target)
    monkeypatch.setattr(Supervisor, "running", lambda _: True)
    with pytest.raises(UserError, match="`readmission down`"):
        restore.run(installation.settings, str(target))


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

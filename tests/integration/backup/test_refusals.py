"""What a restore refuses, with nothing changed: damaged and foreign backups, clients, a system that runs."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from readmission.backup import databases, manifest, restore
from readmission.backup.manifest import BackupManifest
from readmission.embedded.supervisor import Supervisor
from readmission.errors import UserError
from tests.integration.backup.conftest import Installation, backup, rewrite


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


def test_with_a_client_nothing_is_replaced_and_it_says_so(installation: Installation, target: Path) -> None:
    backup(installation, target)
    installation.execute("DELETE FROM serving.predictions")
    with contextlib.closing(databases.connect(installation.settings, "readmission")):
        done = installation.run("restore", str(target))
    assert done.returncode == 1
    assert "in use by postgres (readmission backup, 1 on readmission)" in done.stderr
    assert "Traceback" not in done.stderr
    assert installation.predictions() == 0


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


def test_a_running_embedded_system_must_be_stopped_first(
    installation: Installation, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(installation, target)
    monkeypatch.setattr(Supervisor, "running", lambda _: True)
    with pytest.raises(UserError, match="`readmission down`"):
        restore.run(installation.settings, str(target))

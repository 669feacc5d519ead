"""`readmission backup`: save everything that an installation cannot make anew, while it runs."""

import contextlib
import hashlib
import io
import logging
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from readmission.backup import areas, champion, collection, credentials, databases
from readmission.backup.databases import DatabaseSnapshot
from readmission.backup.locations import Folder, Location, copy_file, open_backups
from readmission.backup.manifest import DIGEST, FORMAT, NAME, BackupManifest, DatabaseDump, StoredFile, encode_manifest
from readmission.backup.programs import find_programs
from readmission.backup.system import running_database, scratch_folder
from readmission.errors import UserError
from readmission.settings import Settings
from readmission.stores import step_runs

log = logging.getLogger(__name__)


def run(
    settings: Settings,
    to: Annotated[str, typer.Argument(help="Folder or s3://bucket/prefix that receives the backup.")],
    *,
    keep: Annotated[int, typer.Option(min=0, help="Keep this many of the newest backups; 0 keeps all.")] = 0,
    keep_days: Annotated[float, typer.Option(min=0, help="Delete backups older than this; 0 keeps all.")] = 0,
    without_secrets: Annotated[
        bool, typer.Option(help="Leave the secrets out instead of encrypting them with READMISSION_BACKUP_KEY.")
    ] = False,
) -> str:
    """Save databases, clean snapshots, MLflow's artifacts and the encrypted secrets; the system may keep running.

    Everything that was acknowledged before the backup began is in it. It gets its name when it is whole, so a
    backup that was killed is never taken for one. Needs READMISSION_POSTGRES_PASSWORD_ADMIN.

    Returns:
        Location of the backup.

    Raises:
        UserError: Something could not be saved. No backup was made, and the others are as they were.
    """
    key = _key(settings, without_secrets)
    target = open_backups(settings, to, private=True)
    if isinstance(target, Folder) and target.root.resolve().is_relative_to(settings.home.resolve()):
        raise UserError(f"{to} is inside the state folder {settings.home}: a backup there is lost with what it saves.")
    with (
        running_database(settings),
        step_runs.recorded(settings, "backup", "monitor"),
        databases.administer(settings) as cursor,
    ):
        location, installation = _save(settings, target, key, cursor)
        for name in collection.apply_retention(target, installation, keep, keep_days):
            log.info("deleted the old backup %s", name)
    typer.echo(location)
    return location


def _key(settings: Settings, without_secrets: bool) -> str | None:
    if without_secrets:
        return None
    key = credentials.read_key(settings)
    if key is None:
        raise UserError(
            "The secrets are saved only encrypted: set READMISSION_BACKUP_KEY (or READMISSION_BACKUP_KEY_FILE) to a "
            "key that is kept elsewhere, such as the output of `openssl rand -base64 32`, or pass --without-secrets."
        )
    return key


def _begin(target: Location, installation: str, began: datetime) -> tuple[str, Location]:
    """Begin a backup where the unfinished ones of this installation were; return its name and location."""
    collection.delete_unfinished(target, installation)
    name = collection.backup_name(installation, began)
    if name in target.children():
        raise UserError(f"{target.url} has a backup of this second already ({name}).")
    return name, collection.begin(target, name)


def _save(settings: Settings, target: Location, key: str | None, cursor: Any) -> tuple[str, str]:
    """Write one backup; return its location and the identity of the installation."""
    began = datetime.now(UTC)
    with contextlib.ExitStack() as stack:
        scratch = Folder(stack.enter_context(scratch_folder(settings)), private=True)
        # Before the snapshots: a prediction is in the spool, or has left it for the database.
        spooled = areas.save("spool", areas.open_spool(settings), scratch)
        # All at once, so that what one database says of another holds.
        snapshots = {
            name: stack.enter_context(databases.take_snapshot(settings, full))
            for name, full in databases.existing(cursor, databases.names(settings)).items()
        }
        installation, revision = _identity(settings, snapshots)
        name, backup = _begin(target, installation, began)
        dumps, files = _dump(settings, snapshots, databases.server_major(cursor), scratch.root, backup)
        live = areas.open_areas(settings)
        record = None
        if "mlflow" in snapshots:
            record = champion.read_champion(snapshots["mlflow"].cursor, live["artifacts"], settings.mlflow.model_name)
        # After the snapshots: a row refers only to files that were stored before it.
        for area, location in live.items():
            files |= areas.save(area, location, backup)
        files |= {path: copy_file(scratch, path, backup, path) for path in spooled}
        if key:
            files[credentials.FILE] = _put(
                backup, credentials.FILE, credentials.seal(credentials.collect(settings), key)
            )
    manifest = BackupManifest(
        format=FORMAT,
        product=version("readmission"),
        revision=revision,
        installation=installation,
        created=began.isoformat(timespec="milliseconds"),
        databases=dumps,
        files=files,
        champion=record,
        secrets=credentials.FILE if key else None,
    )
    return _finish(target, name, backup, manifest), installation


def _finish(target: Location, name: str, backup: Location, manifest: BackupManifest) -> str:
    """Write the manifest, give the backup its name, and return its location."""
    content, digest = encode_manifest(manifest)
    _put(backup, DIGEST, digest)
    _put(backup, NAME, content)
    rows = sum(sum(dump.tables.values()) for dump in manifest.databases.values())
    size = sum(file.bytes for file in manifest.files.values())
    log.info("saved %d rows and %d files (%.1f MB) as %s", rows, len(manifest.files), size / 1e6, name)
    return collection.publish(target, name).url


def _identity(settings: Settings, snapshots: dict[str, DatabaseSnapshot]) -> tuple[str, str]:
    """Return the identity of the installation and the revision of its tables."""
    if "readmission" not in snapshots:
        raise UserError(f"There is no database {settings.postgres.database}: run `readmission migrate`.")
    cursor = snapshots["readmission"].cursor
    cursor.execute("SELECT to_regclass('public.installation') IS NOT NULL")
    if not cursor.fetchone()[0]:
        raise UserError(
            f"The tables of database {settings.postgres.database} are of an earlier version: run `readmission migrate`."
        )
    cursor.execute("SELECT id::text, (SELECT version_num FROM public.alembic_version) FROM public.installation")
    installation, revision = cursor.fetchone()
    return str(installation), str(revision)


def _dump(
    settings: Settings, snapshots: dict[str, DatabaseSnapshot], server: int, scratch: Path, backup: Location
) -> tuple[dict[str, DatabaseDump], dict[str, StoredFile]]:
    programs = find_programs(server, server)
    dumps, files = {}, {}
    for name, snapshot in snapshots.items():
        log.info("saving database %s", snapshot.name)
        key, path = f"databases/{name}.dump", scratch / f"{name}.dump"
        databases.dump(settings, programs, snapshot, path)
        files[key] = copy_file(Folder(scratch), path.name, backup, key)
        path.unlink()
        counts = databases.count_rows(snapshot.cursor)
        dumps[name] = DatabaseDump(file=key, server=server, client=programs.major, tables=counts)
    return dumps, files


def _put(backup: Location, key: str, data: bytes) -> StoredFile:
    backup.put(key, io.BytesIO(data))
    return StoredFile(len(data), hashlib.sha256(data).hexdigest())

"""`readmission restore`: bring an installation back from a backup, completely or not at all."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from readmission.backup import areas, champion, collection, credentials, databases
from readmission.backup.erasures import Erasures, find_erasures, repeat_erasures
from readmission.backup.locations import Folder, Location, copy_file, open_backups
from readmission.backup.manifest import BackupManifest
from readmission.backup.programs import find_programs
from readmission.backup.system import is_embedded, refuse_running, running_database, scratch_folder
from readmission.errors import UserError
from readmission.settings import Settings, load_settings
from readmission.steps import migrate
from readmission.stores import step_runs

log = logging.getLogger(__name__)

#: Tables whose rows make an installation one that has something to lose.
_VALUABLE = ("raw.batches", "serving.predictions", "training.experiments")


def run(
    settings: Settings,
    source: Annotated[str, typer.Argument(metavar="FROM", help="Backup, or where backups are: the newest is taken.")],
    *,
    force: Annotated[bool, typer.Option(help="Replace an installation other than the one that was backed up.")] = False,
    without_secrets: Annotated[bool, typer.Option(help="Do not restore the backup's secrets.")] = False,
    secrets_to: Annotated[
        Path | None, typer.Option(help="Also write the decrypted secrets to this file (mode 0600).")
    ] = None,
) -> None:
    """Restore databases, files and secrets of a backup, into a new installation or one that is stopped.

    Everything is checked first and restored beside what is there; one transaction then puts it in place. Rows,
    hashes, the champion and its answers are compared with the backup's. Then patients who were erased since are erased
    again. Ends with 0 only if all of it holds.

    Raises:
        UserError: The backup is damaged, unfinished, of another format or installation; or something runs; or what
            was restored is not what was saved; or somebody was erased under a key of patients that is not there.
    """
    refuse_running(settings)
    backup = collection.choose_backup(open_backups(settings, source))
    manifest = collection.read_backup_manifest(backup)
    log.info("restoring %s of %s", backup.url, manifest.created)
    _check_revision(manifest)
    _check_files(backup, manifest)
    export = _secrets(settings, backup, manifest, without_secrets)
    _check_champion(backup.child("artifacts"), manifest)
    settings = _with_secrets(settings, export)
    # Before anything changes: whoever cannot be erased again must not come back.
    erasures = find_erasures(settings, backup, export)
    _replace(settings, backup, manifest, export, force=force, erasures=erasures)
    if secrets_to and export:
        credentials.write_readable(export, secrets_to)
    log.info("restored: every count, hash and answer is that of the backup")


def _check_files(backup: Location, manifest: BackupManifest) -> None:
    if damaged := areas.find_damage(backup, manifest.files):
        raise UserError(
            f"The backup {backup.url} is damaged: {len(damaged)} of {len(manifest.files)} files are missing or changed "
            f"({', '.join(damaged[:3])}{', ...' if len(damaged) > 3 else ''}). Nothing was restored."
        )


def _replace(
    settings: Settings,
    backup: Location,
    manifest: BackupManifest,
    export: credentials.Export | None,
    *,
    force: bool,
    erasures: Erasures,
) -> None:
    """Restore beside what is there, put it in place, compare it with the backup, and drop what it replaced."""
    with running_database(settings):
        migrate.create_roles(settings)
        with databases.administer(settings) as cursor:
            replaced = _restore(settings, cursor, backup, manifest, force)
            if export and is_embedded(settings):
                credentials.follow_data(export, settings.home)
            migrate.run(settings)
            _verify(settings, manifest)
            repeat_erasures(settings, erasures)
            for name in replaced:
                databases.drop(cursor, name)
        with step_runs.recorded(settings, "restore", "monitor"):
            pass


def _check_revision(manifest: BackupManifest) -> None:
    if manifest.revision not in migrate.revisions():
        raise UserError(
            f"The backup is of a later version ({manifest.product}, tables {manifest.revision}): "
            "restore it with that version."
        )


def _secrets(
    settings: Settings, backup: Location, manifest: BackupManifest, without_secrets: bool
) -> credentials.Export | None:
    if without_secrets or manifest.secrets is None:
        return None
    key = credentials.read_key(settings)
    if key is None:
        raise UserError(
            "The backup's secrets are encrypted: set READMISSION_BACKUP_KEY (or READMISSION_BACKUP_KEY_FILE), or pass "
            "--without-secrets to go on with those of this installation."
        )
    with backup.open(manifest.secrets) as reader:
        return credentials.unseal(reader.read(), key)


def _with_secrets(settings: Settings, export: credentials.Export | None) -> Settings:
    """Give a new embedded home folder its secrets, before its database is made; read the settings with them."""
    if not is_embedded(settings) or (settings.home / "secrets.env").exists():
        return settings
    from readmission.embedded import secrets

    if export:
        credentials.write_home(export, settings.home)
    secrets.ensure(settings.home)
    load_settings.cache_clear()
    return load_settings()


def _check_champion(artifacts: Location, manifest: BackupManifest) -> None:
    """Answer the golden rows with the backup's own copy of the champion.

    Raises:
        UserError: The answers are others than when the backup was made.
    """
    if manifest.champion is None:
        return
    answers = champion.answer_golden(artifacts.child(manifest.champion.folder))
    difference = champion.largest_difference(manifest.champion.golden, answers)
    if not difference <= champion.TOLERANCE:
        raise UserError(
            f"Version {manifest.champion.version} answers its golden rows {difference:.2g} away from the answers in "
            "the backup. Restore with the version of the software that made it."
        )
    log.info(
        "version %s answers its golden rows %s",
        manifest.champion.version,
        "to the bit" if difference == 0 else f"within {difference:.2g}",
    )


def _restore(settings: Settings, cursor: Any, backup: Location, manifest: BackupManifest, force: bool) -> Sequence[str]:
    """Restore beside what is there, and put it in place; return the names of the replaced databases."""
    live = {name: full for name, full in databases.names(settings).items() if name in manifest.databases}
    present = databases.existing(cursor, live)
    _check_identity(settings, present, manifest, force)
    databases.refuse_clients(cursor, present)
    staged = [_stage(settings, cursor, backup, manifest, name) for name in live]
    changed = {}
    for area, location in areas.open_areas(settings).items():
        files = manifest.area(area)
        missing, changed[area] = areas.differing(area, location, files)
        areas.bring_back(area, backup, location, missing)
    databases.refuse_clients(cursor, present)
    databases.swap(settings, live)
    log.info("put %d databases in place", len(staged))
    # From here on the restored registry rules. These files differ only if a run was judged again since the backup.
    for area, location in areas.open_areas(settings).items():
        areas.bring_back(area, backup, location, changed[area])
    spool = areas.open_spool(settings)
    areas.bring_back("spool", backup, spool, set(manifest.area("spool")) - set(spool.sizes()))
    # The API's copies by version number: a number may stand for another model now.
    shutil.rmtree(settings.home / "models", ignore_errors=True)
    return [name + databases.REPLACED for name in present.values()]


def _check_identity(settings: Settings, present: dict[str, str], manifest: BackupManifest, force: bool) -> None:
    if "readmission" not in present or force:
        return
    with databases.take_snapshot(settings, present["readmission"]) as snapshot:
        counts = databases.count_rows(snapshot.cursor)
        identity = None
        if "public.installation" in counts:
            snapshot.cursor.execute("SELECT id::text FROM public.installation")
            identity = snapshot.cursor.fetchone()[0]
    filled = any(rows for table, rows in counts.items() if table.startswith(_VALUABLE))
    if filled and identity != manifest.installation:
        raise UserError(
            f"The backup is of installation {manifest.installation[:8]}, and {settings.postgres.database} holds data "
            f"of {(identity or 'an unknown one')[:15]}. Pass --force to replace that data."
        )


def _stage(settings: Settings, cursor: Any, backup: Location, manifest: BackupManifest, name: str) -> str:
    """Restore one database beside the live one, and compare its rows with the manifest's."""
    dump = manifest.databases[name]
    server = databases.server_major(cursor)
    programs = find_programs(max(dump.client, server), server)
    log.info("restoring database %s (%d rows)", name, sum(dump.tables.values()))
    with scratch_folder(settings) as folder:
        copy_file(backup, dump.file, Folder(folder, private=True), "archive")
        staged = databases.stage(settings, programs, cursor, folder / "archive", name)
    with databases.take_snapshot(settings, staged) as snapshot:
        counts = databases.count_rows(snapshot.cursor)
    if counts != dump.tables:
        tables = sorted(table for table in counts.keys() | dump.tables if counts.get(table) != dump.tables.get(table))
        raise UserError(f"Database {name} was not restored whole: the rows of {', '.join(tables[:5])} differ.")
    return staged


def _verify(settings: Settings, manifest: BackupManifest) -> None:
    """Compare what is in place with the manifest.

    Raises:
        UserError: Something differs; the replaced databases are still there.
    """
    problems = []
    live = areas.open_areas(settings)
    for area, location in live.items():
        missing, changed = areas.differing(area, location, manifest.area(area))
        problems += [f"{area}/{key}" for key in [*missing, *changed]]
    if not problems and "mlflow" in manifest.databases:
        with databases.take_snapshot(settings, databases.names(settings)["mlflow"]) as snapshot:
            record = champion.read_champion(snapshot.cursor, live["artifacts"], settings.mlflow.model_name)
        if (record and (record.version, record.run_id)) != (
            manifest.champion and (manifest.champion.version, manifest.champion.run_id)
        ):
            problems.append("the champion")
        _check_champion(live["artifacts"], manifest)
    if problems:
        raise UserError(
            f"The restore is not whole: {', '.join(problems[:5])} differ from the backup. The databases from before "
            f"are kept as *{databases.REPLACED}."
        )

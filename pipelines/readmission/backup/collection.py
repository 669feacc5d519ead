"""Collection of backups in one location: their names, which are whole, what is kept."""

import logging
import shutil
from datetime import UTC, datetime, timedelta

from readmission.backup.locations import Folder, Location
from readmission.backup.manifest import DIGEST, NAME, BackupManifest, decode_manifest
from readmission.errors import UserError

_PREFIX, _TIME, _UNFINISHED = "readmission", "%Y%m%dT%H%M%SZ", ".unfinished"
log = logging.getLogger(__name__)


def backup_name(installation: str, created: datetime) -> str:
    """Return the name of a backup: of when, and of which installation."""
    return f"{_PREFIX}-{created.astimezone(UTC).strftime(_TIME)}-{installation[:8]}"


def created_at(name: str) -> datetime | None:
    """Return the moment in the name of a backup; None if it is no such name."""
    parts = name.split("-")
    if len(parts) != 3 or parts[0] != _PREFIX:
        return None
    try:
        return datetime.strptime(parts[1], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None


def begin(target: Location, name: str) -> Location:
    """Return where a new backup is written: beside the others, in a folder of another name until it is whole."""
    return target.child(name + _UNFINISHED) if isinstance(target, Folder) else target.child(name)


def publish(target: Location, name: str) -> Location:
    """Give a whole backup its name and return its location."""
    if isinstance(target, Folder):
        (target.root / (name + _UNFINISHED)).rename(target.root / name)
    return target.child(name)


def delete_unfinished(target: Location, installation: str) -> None:
    """Delete what backups of this installation left that were killed; nobody else may be writing one."""
    for name in target.children():
        stem = name.removesuffix(_UNFINISHED)
        if created_at(stem) and stem.endswith(f"-{installation[:8]}") and (name != stem or not is_whole(target, name)):
            log.info("deleting the unfinished backup %s", name)
            _delete(target, name)


def is_whole(target: Location, name: str) -> bool:
    """Tell whether a backup has its manifest, which is written last."""
    try:
        with target.child(name).open(NAME):
            return not name.endswith(_UNFINISHED)
    except KeyError:
        return False


def whole_backups(target: Location) -> list[str]:
    """Return the names of the whole backups, the oldest first."""
    return [name for name in target.children() if created_at(name) and is_whole(target, name)]


def apply_retention(target: Location, installation: str, keep: int, keep_days: float) -> list[str]:
    """Delete old backups of this installation; the newest always stays.

    Args:
        target: Location of the backups.
        installation: Whose.
        keep: How many of the newest to keep; 0 keeps all.
        keep_days: Age in days up to which to keep them; 0 keeps all.

    Returns:
        Names of the deleted ones.
    """
    own = [name for name in whole_backups(target) if name.endswith(f"-{installation[:8]}")]
    beyond = set(own[:-keep]) if keep else set()
    limit = datetime.now(UTC) - timedelta(days=keep_days)
    old = {name for name in own[:-1] if (moment := created_at(name)) and moment < limit} if keep_days else set()
    # Either option keeps a backup only if the other does not give it up: the stricter one decides.
    given_up = sorted(beyond | old)
    for name in given_up:
        _delete(target, name)
    return given_up


def _delete(target: Location, name: str) -> None:
    """Delete a backup, its manifest first: half a deletion leaves no backup that looks whole."""
    location = target.child(name)
    location.delete(NAME)
    if isinstance(location, Folder):
        shutil.rmtree(location.root)
        return
    for key in location.sizes():
        location.delete(key)


def choose_backup(source: Location) -> Location:
    """Return the backup that a location is, or the newest whole one that it holds.

    Raises:
        UserError: There is none, or there are those of several installations.
    """
    if NAME in _direct_files(source):
        return source
    names = whole_backups(source)
    if not names:
        unfinished = " Only unfinished ones are there." if any(map(_looks_unfinished, source.children())) else ""
        raise UserError(f"There is no whole backup in {source.url}.{unfinished}")
    if len({name.rpartition("-")[2] for name in names}) > 1:
        raise UserError(f"{source.url} holds backups of several installations; name one, such as {names[-1]}.")
    return source.child(names[-1])


def _looks_unfinished(name: str) -> bool:
    return created_at(name.removesuffix(_UNFINISHED)) is not None


def _direct_files(source: Location) -> set[str]:
    try:
        with source.open(NAME):
            return {NAME}
    except KeyError:
        return set()


def read_backup_manifest(backup: Location) -> BackupManifest:
    """Read the manifest of one backup.

    Raises:
        UserError: It is missing or damaged, or of another format.
    """
    contents = []
    for name in (NAME, DIGEST):
        try:
            with backup.open(name) as reader:
                contents.append(reader.read())
        except KeyError as error:
            raise UserError(f"The backup {backup.url} is damaged: {name} is missing.") from error
    return decode_manifest(contents[0], contents[1], backup.url)

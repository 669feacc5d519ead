"""Areas of files that a backup holds beside the databases, and how they are copied."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from readmission.backup.locations import Folder, Location, copy_file, hash_file, open_location
from readmission.backup.manifest import StoredFile
from readmission.settings import Settings

#: Copies at the same time: stores answer many small requests at once, and a disk does not mind.
_THREADS = 8
log = logging.getLogger(__name__)


class Progress:
    """Line in the log each few seconds while something long goes on.

    Args:
        what: Subject of the lines.
        total: Number of pieces of work.
    """

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total, self._done = what, total, 0
        self._next = time.monotonic() + 2

    def step(self) -> None:
        """Count one piece."""
        self._done += 1
        if time.monotonic() > self._next:
            log.info("%s: %d of %d", self._what, self._done, self._total)
            self._next = time.monotonic() + 5


def open_areas(settings: Settings) -> dict[str, Location]:
    """Return the live location of each area of immutable files."""
    return {
        "objects": open_location(settings.object_store_url, settings.objects.s3_endpoint),
        "artifacts": open_location(settings.artifact_root, settings.objects.s3_endpoint),
        "source": Folder(settings.home / "cache"),
    }


def open_spool(settings: Settings) -> Folder:
    """Return the spool of the API on this machine: predictions that are not in the database yet."""
    return Folder(settings.home / "spool", private=True)


def _parallel(what: str, keys: Iterable[str], work: Callable[[str], None]) -> None:
    keys = list(keys)
    progress = Progress(what, len(keys))
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(work, keys):
            progress.step()


def save(name: str, live: Location, backup: Location) -> dict[str, StoredFile]:
    """Copy the files of an area into a backup.

    A file that vanishes meanwhile is left out: a temporary one, or a piece of the spool that is in the database now.

    Returns:
        What was copied, by key in the backup.
    """
    copied: dict[str, StoredFile] = {}

    def copy(key: str) -> None:
        with contextlib.suppress(KeyError):
            copied[f"{name}/{key}"] = copy_file(live, key, backup, f"{name}/{key}")

    keys = [key for key in live.sizes() if not key.rpartition("/")[2].startswith(".")]
    _parallel(f"saving {name}", keys, copy)
    return copied


def differing(name: str, live: Location, files: Mapping[str, StoredFile]) -> tuple[list[str], list[str]]:
    """Compare live files with those of a backup.

    Returns:
        Keys that are missing, and keys with another content.
    """
    sizes = live.sizes()
    missing = [key for key in files if key not in sizes]
    changed = [key for key in files if key in sizes and sizes[key] != files[key].bytes]

    def compare(key: str) -> None:
        if hash_file(live, key) != files[key]:
            changed.append(key)

    _parallel(f"comparing {name}", [key for key in files if sizes.get(key) == files[key].bytes], compare)
    return missing, sorted(changed)


def bring_back(name: str, backup: Location, live: Location, keys: Iterable[str]) -> None:
    """Copy files of an area from a backup to their live location."""

    def copy(key: str) -> None:
        copy_file(backup, f"{name}/{key}", live, key)

    _parallel(f"restoring {name}", keys, copy)


def find_damage(backup: Location, files: Mapping[str, StoredFile]) -> list[str]:
    """Return the keys of a backup's files that are missing, or not what the manifest says."""
    sizes = backup.sizes()
    damaged = [key for key in files if sizes.get(key) != files[key].bytes]

    def compare(key: str) -> None:
        if hash_file(backup, key) != files[key]:
            damaged.append(key)

    _parallel("checking the backup", [key for key in files if sizes.get(key) == files[key].bytes], compare)
    return sorted(damaged)

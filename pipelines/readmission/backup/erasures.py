"""Erasures that a restore repeats: their tombstones here and in every backup beside the restored one."""

import io
from collections.abc import Mapping

from readmission.backup import areas, collection
from readmission.backup.credentials import Export
from readmission.backup.locations import Location, open_backups
from readmission.privacy.again import TOMBSTONES, erase_again
from readmission.pseudonyms import read_keys
from readmission.scorer.manifest import MANIFEST
from readmission.settings import Settings
from readmission.stores import objects


class LocatedModels:
    """Compiled models among the artifacts of an MLflow server that does not run.

    Args:
        artifacts: Where MLflow keeps artifacts.
    """

    def __init__(self, artifacts: Location) -> None:
        self._artifacts = artifacts

    def names(self) -> list[str]:
        """Return the folders that have a manifest."""
        suffix = f"/serving/{MANIFEST}"
        return sorted(key.removesuffix(f"/{MANIFEST}") for key in self._artifacts.sizes() if key.endswith(suffix))

    def read(self, folder: str, name: str) -> bytes | None:
        """Return a file; None if it is absent."""
        try:
            with self._artifacts.open(f"{folder}/{name}") as reader:
                return bytes(reader.read())
        except KeyError:
            return None

    def write(self, folder: str, files: Mapping[str, bytes]) -> None:
        """Replace files."""
        for name, data in files.items():
            self._artifacts.put(f"{folder}/{name}", io.BytesIO(data))


def repeat_erasures(settings: Settings, backup: Location, export: Export | None) -> int:
    """Erase again whom this installation, or any backup beside the restored one, knows as erased; return how many.

    Raises:
        UserError: A tombstone was made with a key that neither the settings nor the backup has.
    """
    saved = export.variables if export else {}
    keys = [
        *settings.patient_keys,
        *read_keys(saved.get("READMISSION_PATIENT_KEY", ""), saved.get("READMISSION_PREVIOUS_PATIENT_KEYS", "")),
    ]
    names: set[str] = set()
    beside = open_backups(settings, backup.url.rstrip("/").rpartition("/")[0])
    for name in collection.whole_backups(beside):
        files = collection.read_backup_manifest(beside.child(name)).area("objects")
        names |= {key.removeprefix(TOMBSTONES) for key in files if key.startswith(TOMBSTONES)}
    if settings.postgres.password_privacy is None and not names and not objects.objects(settings).keys(TOMBSTONES):
        return 0  # an installation that has never erased anybody
    return erase_again(settings, keys, names, LocatedModels(areas.open_areas(settings)["artifacts"]))

"""Erasures that a restore repeats: their tombstones here and in every backup beside the restored one."""

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from readmission.backup import areas, collection
from readmission.backup.credentials import Export
from readmission.backup.locations import Location, open_backups
from readmission.privacy.again import TOMBSTONES, erase_again, refuse_foreign, stored_tombstones
from readmission.pseudonyms import PatientKey, read_keys
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


@dataclass(frozen=True)
class Erasures:
    """Erasures that a restore repeats.

    Attributes:
        keys: Keys of pseudonyms, those of the settings first, then those of the backup.
        names: Names of tombstones in the object store and in every backup beside the restored one.
    """

    keys: Sequence[PatientKey]
    names: Collection[str]


def find_erasures(settings: Settings, backup: Location, export: Export | None) -> Erasures:
    """Return whom this installation, or any backup beside the restored one, knows as erased.

    Raises:
        UserError: A tombstone was made with a key that neither the settings nor the backup has.
    """
    saved = export.variables if export else {}
    keys = [
        *settings.patient_keys,
        *read_keys(saved.get("READMISSION_PATIENT_KEY", ""), saved.get("READMISSION_PREVIOUS_PATIENT_KEYS", "")),
    ]
    names = stored_tombstones(objects.objects(settings).keys(TOMBSTONES))
    beside = open_backups(settings, backup.url.rstrip("/").rpartition("/")[0])
    for files in [
        collection.read_backup_manifest(backup).area("objects"),
        *(collection.read_backup_manifest(beside.child(n)).area("objects") for n in collection.whole_backups(beside)),
    ]:
        names |= stored_tombstones(files)
    refuse_foreign(keys, names)
    return Erasures(keys, names)


def repeat_erasures(settings: Settings, erasures: Erasures) -> int:
    """Erase everybody again who has a tombstone; return how many there were.

    Raises:
        UserError: Rows of somebody are left.
    """
    if settings.postgres.password_privacy is None and not erasures.names:
        return 0  # an installation that has never erased anybody
    models = LocatedModels(areas.open_areas(settings)["artifacts"])
    return erase_again(settings, erasures.keys, erasures.names, models)

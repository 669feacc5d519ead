"""Erasures that a restore repeats: their tombstones here and in every backup beside the restored one."""

import hashlib
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from readmission.backup import areas, collection
from readmission.backup.credentials import Export
from readmission.backup.locations import Location, open_backups
from readmission.privacy.again import TOMBSTONES, erase_again, refuse_foreign, stored_tombstones
from readmission.privacy.artifacts import Signer
from readmission.pseudonyms import PatientKey, read_keys
from readmission.scorer.custody import SIGNATURE, Statement, sign
from readmission.scorer.manifest import MANIFEST
from readmission.settings import Settings
from readmission.signatures import SigningKey, Trust
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
        signer: What restored models are signed with: the key of the settings; the backup's key counts too.
    """

    keys: Sequence[PatientKey]
    names: Collection[str]
    signer: Signer


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
    return Erasures(keys, names, _signer(settings, saved))


def _signer(settings: Settings, saved: Mapping[str, str]) -> Signer:
    secret = saved.get("READMISSION_SIGNING_KEY")
    signers = {*settings.trust.signers, *([SigningKey(secret).public] if secret else ())}
    return Signer(settings.signing_key, Trust(signers))


def repeat_erasures(settings: Settings, erasures: Erasures) -> int:
    """Erase everybody again who has a tombstone; return how many there were.

    Models of a backup from before signing was on are signed first: the backup's own hashes have vouched for them.

    Raises:
        UserError: Rows of somebody are left.
    """
    models = LocatedModels(areas.open_areas(settings)["artifacts"])
    if (key := erasures.signer.key) is not None:
        sign_unsigned(models, key)
    if settings.postgres.password_privacy is None and not erasures.names:
        return 0  # an installation that has never erased anybody
    return erase_again(settings, erasures.keys, erasures.names, models, erasures.signer)


def sign_unsigned(models: LocatedModels, key: SigningKey) -> None:
    """Sign the compiled models that have no signature at all; `readmission sign` adds their Pipelines."""
    for folder in models.names():
        manifest = models.read(folder, MANIFEST)
        if manifest is not None and models.read(folder, SIGNATURE) is None:
            digest = hashlib.sha256(manifest).hexdigest()
            run_id = str(msgspec.json.decode(manifest).get("run_id", ""))
            statement = Statement(manifest_sha256=digest, pipeline_sha256="", run_id=run_id)
            models.write(folder, {SIGNATURE: sign(key, statement)})

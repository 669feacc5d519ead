"""Erasures of a restored installation: whoever was erased since the backup, or before it, is erased again."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from readmission.features.visits import Visits
from readmission.privacy import rows
from readmission.privacy.artifacts import rewrite
from readmission.privacy.rows import Erasure
from readmission.privacy.tombstones import Tombstones
from readmission.pseudonyms import PatientKey
from readmission.scorer.rows import VISITS
from readmission.settings import Settings
from readmission.stores import objects, postgres

log = logging.getLogger(__name__)

#: Where the object store keeps tombstones beside the database, so that a restore finds those that are newer.
TOMBSTONES = "privacy/tombstones/"
_PATIENTS = """
SELECT patient_nbr::text FROM raw.encounters UNION SELECT patient_nbr::text FROM clean.encounters
UNION SELECT inputs->>'patient_nbr' FROM serving.predictions WHERE inputs ? 'patient_nbr'
UNION SELECT btrim(content->>'patient_nbr') FROM raw.quarantine WHERE content ? 'patient_nbr'"""
#: Statement that adds a tombstone; a second one changes nothing.
ADD_TOMBSTONE = "INSERT INTO privacy.tombstones (token, key_id) VALUES (%(token)s, %(key_id)s) ON CONFLICT DO NOTHING"
_REQUEST = """
INSERT INTO privacy.erasures (token, key_id, reason, requested_by)
VALUES (%(token)s, %(key_id)s, %(reason)s, 'restore') RETURNING id"""
_REASON = "restored from a backup after the erasure"


class Folders(Protocol):
    """Folders of compiled models, wherever they are."""

    def names(self) -> list[str]:
        """Return the folders."""

    def read(self, folder: str, name: str) -> bytes | None:
        """Return a file; None if it is absent."""

    def write(self, folder: str, files: Mapping[str, bytes]) -> None:
        """Replace files, in their order."""


def erase_again(settings: Settings, keys: Sequence[PatientKey], names: Iterable[str], folders: Folders) -> int:
    """Erase every patient with a tombstone from a restored installation that does not run; return how many there were.

    Args:
        settings: Database and object store.
        keys: Keys of pseudonyms, the current one first.
        names: Names of tombstones elsewhere, such as in newer backups, as `tombstone_name` gives them.
        folders: Compiled models.

    Raises:
        UserError: A tombstone was made with a key that is not there.
    """
    stored = (key.removeprefix(TOMBSTONES) for key in objects.objects(settings).keys(TOMBSTONES))
    with postgres.transaction(settings, "privacy") as cursor:
        for name in {*stored, *names}:
            key_id, _, token = name.partition("-")
            cursor.execute(ADD_TOMBSTONE, {"token": token, "key_id": key_id})
        cursor.execute("SELECT token, key_id FROM privacy.tombstones")
        tombstones = Tombstones(keys, cursor.fetchall())
        if not tombstones:
            return 0
        cursor.execute(_PATIENTS)
        patients = {int(text) for (text,) in cursor.fetchall() if tombstones.cover(text)}
    for patient in sorted(patients):
        _erase_rows(settings, keys[0], patient)
    rows.delete_old_snapshots(settings)
    for folder in folders.names():
        read = partial(folders.read, folder)
        if (table := read(VISITS)) is not None:
            visits = Visits(table)
            covered = [n for i in range(visits.patients) if tombstones.cover(n := visits.patient(i))]
            patients |= {*covered}
            folders.write(folder, rewrite(read, covered)[0])
    log.info("erased %d patients again", len(patients))
    return len(patients)


def _erase_rows(settings: Settings, key: PatientKey, patient: int) -> None:
    values: dict[str, Any] = {"token": key.token(patient), "key_id": key.id, "reason": _REASON}
    with postgres.transaction(settings, "privacy") as cursor:
        cursor.execute(_REQUEST, values)
        erasure = Erasure(int(cursor.fetchone()[0]), patient, _REASON)
    rows.delete_rows(settings, erasure)
    with postgres.transaction(settings, "privacy") as cursor:
        rows.record_step(cursor, erasure, "verified", 0)


def tombstone_name(key: PatientKey, patient: int) -> str:
    """Return the name of a patient's tombstone in the object store."""
    return f"{key.id}-{key.token(patient)}"

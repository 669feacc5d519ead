"""Erasures of a restored installation: whoever was erased since the backup, or before it, is erased again."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from readmission.features.keyed_visits import read_key_id, without_pseudonyms
from readmission.features.visits import Visits
from readmission.privacy import rows
from readmission.privacy.artifacts import Change, rewrite, without
from readmission.privacy.rows import Erasure
from readmission.privacy.tombstones import Tombstones
from readmission.pseudonyms import PatientKey, find_key, number_of
from readmission.scorer.rows import VISITS
from readmission.settings import Settings
from readmission.stores import objects, postgres

log = logging.getLogger(__name__)

#: Where the object store keeps tombstones beside the database, so that a restore finds those that are newer.
TOMBSTONES = "privacy/tombstones/"
_PATIENTS = """
SELECT patient_nbr::text FROM raw.encounters UNION SELECT patient_nbr::text FROM clean.encounters
UNION SELECT inputs->>'patient_nbr' FROM serving.predictions WHERE inputs ? 'patient_nbr'
UNION SELECT btrim(content->>'patient_nbr') FROM raw.quarantine WHERE content ? 'patient_nbr'
UNION SELECT patient FROM serving.discharges"""
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
        pairs = cursor.fetchall()
        tombstones = Tombstones(keys, pairs)
        if not tombstones:
            return 0
        cursor.execute(_PATIENTS)
        texts = [text for (text,) in cursor.fetchall() if tombstones.cover(text)]
    patients: set[int | str] = {int(text) if text.isdecimal() else text for text in texts}
    for patient in sorted(patients, key=str):
        _erase_rows(settings, keys[0], patient)
    rows.delete_old_snapshots(settings)
    for folder in folders.names():
        read = partial(folders.read, folder)
        if (table := read(VISITS)) is not None:
            change, covered = _change(table, patients, keys, pairs)
            patients |= covered
            folders.write(folder, rewrite(read, change)[0])
    log.info("erased %d patients again", len(patients))
    return len(patients)


def _change(
    table: bytes, patients: set[int | str], keys: Sequence[PatientKey], tombstones: Sequence[tuple[str, str]]
) -> tuple[Change, set[int]]:
    """Return what removes every erased patient from a table of visits, and the numbers that were found in it.

    Args:
        table: The table, keyed or not.
        patients: Erased patients of the database.
        keys: Keys of pseudonyms.
        tombstones: Pseudonym and name of the key of everybody who is erased.
    """
    if (key_id := read_key_id(table)) is None:
        visits, erased = Visits(table), Tombstones(keys, tombstones)
        covered = {n for i in range(visits.patients) if erased.cover(n := visits.patient(i))}
        return without(covered, keys), covered
    # Also those of whom nothing is left but this: their tombstones begin with what stands for them.
    pseudonyms = {number_of(token) for token, made_with in tombstones if made_with == key_id}
    if (key := find_key(keys, key_id)) is not None:
        pseudonyms |= {key.pseudonym(patient)[0] for patient in patients if isinstance(patient, int)}
    return partial(_without_pseudonyms, pseudonyms), set()


def _without_pseudonyms(pseudonyms: set[int], table: bytes) -> tuple[bytes, int]:
    return without_pseudonyms(table, pseudonyms)


def _erase_rows(settings: Settings, key: PatientKey, patient: int | str) -> None:
    values: dict[str, Any] = {"token": key.token(patient), "key_id": key.id, "reason": _REASON}
    with postgres.transaction(settings, "privacy") as cursor:
        cursor.execute(_REQUEST, values)
        references = (patient,) if isinstance(patient, str) else ()
        erasure = Erasure(int(cursor.fetchone()[0]), patient, references, _REASON)
    rows.delete_rows(settings, erasure)
    with postgres.transaction(settings, "privacy") as cursor:
        rows.record_step(cursor, erasure, "verified", 0)


def tombstone_name(key: PatientKey, patient: int | str) -> str:
    """Return the name of a patient's tombstone in the object store."""
    return f"{key.id}-{key.token(patient)}"

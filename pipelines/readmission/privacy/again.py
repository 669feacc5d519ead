"""Erasures of a restored installation: whoever was erased since the backup, or before it, is erased again."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from readmission.errors import UserError
from readmission.features.keyed_visits import read_key_id, without_pseudonyms
from readmission.features.visits import Visits
from readmission.privacy import rows
from readmission.privacy.artifacts import Change, Signer, rewrite, without
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
UNION SELECT number[1] FROM raw.quarantine, regexp_matches(content->>'text', '[0-9]+', 'g') AS number
UNION SELECT patient FROM serving.discharges"""
#: Number and reference of everybody of whom a record system sent both.
_NAMES = """
SELECT DISTINCT p.inputs->>'patient_nbr', d.patient FROM serving.discharges d
JOIN serving.predictions p USING (prediction_id) WHERE d.patient <> '' AND p.inputs ? 'patient_nbr'"""
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


def erase_again(
    settings: Settings, keys: Sequence[PatientKey], names: Iterable[str], folders: Folders, signer: Signer
) -> int:
    """Erase every patient with a tombstone from a restored installation that does not run; return how many there were.

    Args:
        settings: Database and object store.
        keys: Keys of pseudonyms, the current one first.
        names: Names of tombstones outside the database, as `stored_tombstones` gives them.
        folders: Compiled models.
        signer: What signed models are signed with.

    Raises:
        UserError: A tombstone was made with a key that is not there, or rows of a patient are left.
    """
    with postgres.transaction(settings, "privacy") as cursor:
        for token, key_id in map(_read_name, names):
            cursor.execute(ADD_TOMBSTONE, {"token": token, "key_id": key_id})
        cursor.execute("SELECT token, key_id FROM privacy.tombstones")
        pairs = cursor.fetchall()
        tombstones = Tombstones(keys, pairs)
        if not tombstones:
            return 0
        people = _find_people(cursor, tombstones)
    for person in people:
        _erase_rows(settings, keys[0], person)
    patients = {name for person in people for name in person}
    rows.delete_old_snapshots(settings)
    for folder in folders.names():
        read = partial(folders.read, folder)
        if (table := read(VISITS)) is not None:
            change, covered = _change(table, patients, keys, pairs)
            patients |= covered
            folders.write(folder, rewrite(read, change, signer)[0])
    log.info("erased %d patients again", len(patients))
    return len(patients)


def _find_people(cursor: Any, tombstones: Tombstones) -> list[list[int | str]]:
    """Return the names of every erased patient of the database: the number, if they have one, and references.

    The erasure may have seen one name of a person of whom the restored rows hold two.
    """
    cursor.execute(_PATIENTS)
    texts = {text for (text,) in cursor.fetchall() if tombstones.cover(text)}
    cursor.execute(_NAMES)
    pairs = [pair for pair in cursor.fetchall() if not texts.isdisjoint(pair)]
    numbers = {text for text in texts if text.isdecimal()} | {number for number, _ in pairs}
    people: list[list[int | str]] = [
        [int(number), *sorted(reference for other, reference in pairs if other == number)] for number in sorted(numbers)
    ]
    listed = {name for person in people for name in person}
    return people + [[text] for text in sorted(texts) if not text.isdecimal() and text not in listed]


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


def _erase_rows(settings: Settings, key: PatientKey, names: Sequence[int | str]) -> None:
    """Erase the rows of one person.

    Raises:
        UserError: Some are left.
    """
    patient, references = names[0], tuple(name for name in names if isinstance(name, str))
    values: dict[str, Any] = {"token": key.token(patient), "key_id": key.id, "reason": _REASON}
    with postgres.transaction(settings, "privacy") as cursor:
        for name in names:
            cursor.execute(ADD_TOMBSTONE, {"token": key.token(name), "key_id": key.id})
        cursor.execute(_REQUEST, values)
        erasure = Erasure(int(cursor.fetchone()[0]), patient, references, _REASON)
    for name in names:
        objects.objects(settings).put(TOMBSTONES + tombstone_name(key, name), b"")
    rows.delete_rows(settings, erasure)
    if left := rows.remaining(settings, erasure):
        raise UserError(f"Rows of an erased patient are left in {', '.join(left)}: run the same restore again.")
    with postgres.transaction(settings, "privacy") as cursor:
        rows.record_step(cursor, erasure, "verified", 0)


def tombstone_name(key: PatientKey, patient: int | str) -> str:
    """Return the name of a patient's tombstone in the object store."""
    return f"{key.id}-{key.token(patient)}"


def stored_tombstones(keys: Iterable[str]) -> set[str]:
    """Return the names of tombstones among keys of an object store, as `tombstone_name` gives them."""
    return {key.removeprefix(TOMBSTONES) for key in keys if key.startswith(TOMBSTONES)}


def refuse_foreign(keys: Sequence[PatientKey], names: Iterable[str]) -> None:
    """Refuse tombstones that nobody could compare with patients.

    Raises:
        UserError: One was made with a key that is not there.
    """
    Tombstones(keys, [*map(_read_name, names)])


def _read_name(name: str) -> tuple[str, str]:
    """Return pseudonym and key of a tombstone's name."""
    key_id, _, token = name.partition("-")
    return token, key_id

"""Tables of visits in which no number is a patient's or an encounter's: keyed pseudonyms stand in their place.

A keyed table is a prefix (magic, name of the key) and a table in the layout of `visits.Visits`, sorted by the pseudonym
of the patient. Every encounter number is moved by a secret of its patient, which keeps order and gaps among the visits
of one patient, all that `visits.summarise` looks at; the newest encounter is moved by a secret of the key.
"""

import math
import struct
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from readmission import files
from readmission.features import visits
from readmission.features.visits import Visit, Visits
from readmission.pseudonyms import PatientKey, find_key

#: Before the table: magic, name of the key.
PREFIX = struct.Struct("=8s8s")
MAGIC = b"keyed 1\0"
_NEWER = np.iinfo(np.int64).max


class UnknownKeyError(ValueError):
    """A table is keyed with a key that is not there."""


class KeyedVisits(Visits):
    """Visits by patient in a keyed table.

    Args:
        data: The table without its prefix.
        key: Key that it was made with.
    """

    def __init__(self, data: memoryview, key: PatientKey) -> None:
        super().__init__(data)
        self._key = key
        self.newest -= key.shift

    def of(self, patient: int) -> list[Visit]:
        """Return a patient's visits by rising encounter; empty if they are not known."""
        return self._visits_of(*self._key.pseudonym(patient))

    def revisits(self, patients: Sequence[Any], encounters: Sequence[Any]) -> npt.NDArray[np.int64]:
        """Return which of many encounters have an earlier one here; see `Visits.revisits`."""
        if not self.count:
            return np.empty(0, np.int64)
        pseudonyms = [(-1, 0) if patient is None else self._key.pseudonym(int(patient)) for patient in patients]
        queried, shifts = np.array(pseudonyms, np.int64).reshape(-1, 2).T
        now = np.array([_NEWER if e is None or e == math.inf else e for e in encounters], np.int64)
        numbers = np.asarray(self._patients)
        positions = np.searchsorted(numbers, queried).clip(max=len(numbers) - 1)
        first = self._encounters[np.asarray(self._starts)[positions]] - shifts
        return np.flatnonzero((numbers[positions] == queried) & (first < now))


def open_visits(path: Path, keys: Sequence[PatientKey]) -> Visits:
    """Map a table of visits, keyed or not.

    Args:
        path: The file.
        keys: Keys of the installation.

    Raises:
        UnknownKeyError: It is keyed with a key that is not among them.
        ValueError: It is no table of visits.
    """
    with path.open("rb") as file:
        head = file.read(PREFIX.size)
    if (key_id := read_key_id(head)) is None:
        return Visits.open(path)
    return KeyedVisits(files.map_file(path)[PREFIX.size :], _key(keys, key_id))


def read_key_id(data: bytes) -> str | None:
    """Return the name of the key of a table; None if it is not keyed."""
    if len(data) < PREFIX.size or data[: len(MAGIC)] != MAGIC:
        return None
    return str(PREFIX.unpack_from(data)[1].decode())


def count_visits(data: bytes) -> dict[str, int]:
    """Return how many patients and visits a table has, keyed or not."""
    table = Visits(data if read_key_id(data) is None else data[PREFIX.size :])
    return {"patients": table.patients, "visits": table.count}


def with_key(data: bytes, key: PatientKey, keys: Sequence[PatientKey], patients: Collection[int]) -> tuple[bytes, int]:
    """Return a table under a key, and how many patients of it are not among those who are named.

    Args:
        data: The table, plain or keyed.
        key: Key to use.
        keys: Keys that the table may have been made with.
        patients: Numbers of patients, by which those of a keyed table are recognised; a plain table needs none.

    Returns:
        The table, and 0; or the table as it was, and how many of its patients nobody could name.

    Raises:
        UnknownKeyError: The table is keyed with a key that is not among `keys`.
    """
    old_id = read_key_id(data)
    old = None if old_id is None else _key(keys, old_id)
    numbers, lengths, rows, head = _read(data if old is None else data[PREFIX.size :])
    own: list[int] = numbers.tolist()
    if old is not None:
        named = {old.pseudonym(patient)[0]: patient for patient in patients}
        if unknown := sum(number not in named for number in own):
            return data, unknown
        own = [named[number] for number in own]
    shifts = np.array([key.pseudonym(patient) for patient in own], np.int64).reshape(-1, 2)
    before = np.array([old.pseudonym(patient)[1] if old is not None else 0 for patient in own], np.int64)
    magic, newest = head[0], head[3] - (old.shift if old is not None else 0) + key.shift
    encounters = rows["encounter"] - np.repeat(before, lengths) + np.repeat(shifts[:, 1], lengths)
    order = np.argsort(shifts[:, 0])
    starts = np.concatenate(([0], np.cumsum(lengths)))
    picked = np.concatenate([np.arange(starts[i], starts[i + 1]) for i in order]) if len(order) else np.arange(0)
    moved = rows[picked]
    moved["encounter"] = encounters[picked]
    ends = np.concatenate(([0], np.cumsum(lengths[order]))).astype(np.uint32)
    table = (visits.HEAD.pack(magic, len(order), len(moved), newest), shifts[order, 0].tobytes(), ends.tobytes())
    return b"".join((PREFIX.pack(MAGIC, key.id.encode()), *table, moved.tobytes())), 0


def without_pseudonyms(data: bytes, pseudonyms: Collection[int]) -> tuple[bytes, int]:
    """Return a keyed table without some patients, and how many of their visits were in it.

    The newest encounter stays: it is no number of theirs without the key.

    Args:
        data: A keyed table.
        pseudonyms: What stands for the patients under its key.
    """
    numbers, lengths, rows, head = _read(data[PREFIX.size :])
    stays = ~np.isin(numbers, np.array(sorted(pseudonyms), np.int64))
    removed = int(lengths[~stays].sum())
    if not removed:
        return data, 0
    left = rows[np.repeat(stays, lengths)]
    ends = np.concatenate(([0], np.cumsum(lengths[stays]))).astype(np.uint32)
    table = visits.HEAD.pack(head[0], int(stays.sum()), len(left), head[3])
    return b"".join((data[: PREFIX.size], table, numbers[stays].tobytes(), ends.tobytes(), left.tobytes())), removed


def _key(keys: Sequence[PatientKey], key_id: str) -> PatientKey:
    if (key := find_key(keys, key_id)) is None:
        raise UnknownKeyError(f"it is keyed with {key_id}, which is neither READMISSION_PATIENT_KEY nor a previous one")
    return key


def _read(data: bytes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[Any], tuple[Any, ...]]:
    """Return patients, how many visits each has, the visits with a field `encounter`, and the head."""
    Visits(data)  # refuses what is not a whole table
    head = visits.HEAD.unpack_from(data)
    _, count, total, _ = head
    size = (visits.DATED_ROW if head[0] == visits.DATED_MAGIC else visits.ROW).size
    numbers = np.frombuffer(data, np.int64, count, visits.HEAD.size)
    starts = np.frombuffer(data, np.uint32, count + 1, visits.HEAD.size + numbers.nbytes).astype(np.int64)
    row = np.dtype([("encounter", "=i8"), ("rest", f"V{size - 8}")])
    rows = np.frombuffer(data, row, total, len(data) - size * total)
    return numbers, np.diff(starts), rows, head

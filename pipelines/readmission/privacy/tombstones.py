"""Tombstones of erased patients: keyed pseudonyms that every later delivery is compared with."""

from collections.abc import Collection, Sequence
from typing import Any

from readmission.errors import UserError
from readmission.pseudonyms import PatientKey, find_key

#: Reason in quarantine for a row of an erased patient; its content is not kept.
ERASED = "erased"


class Tombstones:
    """Erased patients, by pseudonym.

    Args:
        keys: Keys of the installation, the current one first.
        tombstones: Pseudonym and name of the key of each erased patient.

    Raises:
        UserError: A tombstone was made with a key that is not there: nobody could tell whose it is.
    """

    def __init__(self, keys: Sequence[PatientKey], tombstones: Collection[tuple[str, str]]) -> None:
        self._tokens: dict[str, set[str]] = {}
        for token, key_id in tombstones:
            self._tokens.setdefault(key_id, set()).add(token)
        self._keys = [(find_key(keys, key_id), tokens) for key_id, tokens in self._tokens.items()]
        if any(key is None for key, _ in self._keys):
            raise UserError(
                "Patients were erased under a READMISSION_PATIENT_KEY that is not set here: set it, or name it in "
                "READMISSION_PREVIOUS_PATIENT_KEYS."
            )

    def __len__(self) -> int:
        return sum(map(len, self._tokens.values()))

    def __bool__(self) -> bool:
        return bool(self._tokens)

    def cover(self, patient: object) -> bool:
        """Return whether a patient is erased.

        Args:
            patient: Number, also as text, or a FHIR reference. Anything else is nobody.
        """
        text = str(patient).strip()
        if not self._tokens or not text:
            return False
        name = int(text) if text.isdecimal() else text
        return any(key is not None and key.token(name) in tokens for key, tokens in self._keys)


def read_tombstones(cursor: Any, keys: Sequence[PatientKey]) -> Tombstones:
    """Read the tombstones. An erasure waits for the end of the transaction that has read them.

    Raises:
        UserError: One was made with a key that is not there.
    """
    cursor.execute("SELECT token, key_id FROM privacy.tombstones")
    return Tombstones(keys, cursor.fetchall())

"""Keyed pseudonyms of patients: HMAC-SHA-256 under a secret of the installation.

A pseudonym stands for a patient wherever the number itself must not be: in model artifacts, in the access log and in
the tombstones of erased patients. Without the secret nobody can tell whose it is, not even by trying all numbers.
"""

import hmac
from collections.abc import Sequence
from hashlib import sha256


class PatientKey:
    """One secret, under which patients have pseudonyms.

    Args:
        secret: READMISSION_PATIENT_KEY, or an earlier value of it.
    """

    __slots__ = ("_key", "id")

    def __init__(self, secret: str) -> None:
        self._key = sha256(b"readmission patient key\0" + secret.encode()).digest()
        #: Name of the key: eight hex digits that say nothing of it, kept beside what it made.
        self.id = sha256(self._key).hexdigest()[:8]

    def token(self, patient: int) -> str:
        """Return a patient's pseudonym as 32 hex digits."""
        return hmac.digest(self._key, b"%d" % patient, "sha256")[:16].hex()

    def number(self, patient: int) -> int:
        """Return the first 64 bits of a patient's pseudonym as a signed number, by which tables are sorted."""
        return int.from_bytes(hmac.digest(self._key, b"%d" % patient, "sha256")[:8], "big", signed=True)


def read_keys(current: str, previous: str = "") -> tuple[PatientKey, ...]:
    """Return the current key and those before it; empty if there is none.

    Args:
        current: The secret in use; may be empty.
        previous: Earlier secrets, separated by commas.
    """
    secrets = [current, *(text.strip() for text in previous.split(","))]
    return tuple(PatientKey(secret) for secret in secrets if secret)


def find_key(keys: Sequence[PatientKey], key_id: str) -> PatientKey | None:
    """Return the key of a name; None if it is not among them."""
    return next((key for key in keys if key.id == key_id), None)

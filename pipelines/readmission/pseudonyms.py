"""Keyed pseudonyms of patients: HMAC-SHA-256 under a secret of the installation.

A pseudonym stands for a patient wherever the number itself must not be: in model artifacts, in the access log and in
the tombstones of erased patients. Without the secret nobody can tell whose it is, not even by trying all numbers.
"""

from collections.abc import Sequence
from hashlib import sha256


class PatientKey:
    """One secret, under which patients have pseudonyms.

    Args:
        secret: READMISSION_PATIENT_KEY, or an earlier value of it.
    """

    __slots__ = ("_inner", "_outer", "id", "shift")

    def __init__(self, secret: str) -> None:
        key = sha256(b"readmission patient key\0" + secret.encode()).digest()
        # HMAC (RFC 2104) from two prepared hashes: `hmac.digest` looks its hash up each time and takes five times as
        # long (2.6 us instead of 11.9 on a busy machine, November 2026), and every prediction of a patient needs one.
        self._inner = sha256(bytes(byte ^ 0x36 for byte in key.ljust(64, b"\0")))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in key.ljust(64, b"\0")))
        #: Name of the key: eight hex digits that say nothing of it, kept beside what it made.
        self.id = sha256(key).hexdigest()[:8]
        #: Secret by which a table moves numbers that belong to no patient.
        self.shift = int.from_bytes(self._digest(b"shift")[:8], "big") >> 2

    def _digest(self, message: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()

    def token(self, patient: int | str) -> str:
        """Return a patient's pseudonym as 32 hex digits.

        Args:
            patient: Number, or the reference by which a record system names the patient, such as `Patient/p1`.
        """
        name = b"reference %b" % patient.encode() if isinstance(patient, str) else b"%d" % patient
        return self._digest(name)[:16].hex()

    def pseudonym(self, patient: int) -> tuple[int, int]:
        """Return what stands for a patient in a table of numbers, and a secret of theirs that moves their encounters.

        The first is the first 64 bits of the token, as a signed number. The second, 0 to 2**62, is none of its bits.
        """
        digest = self._digest(b"%d" % patient)
        return int.from_bytes(digest[:8], "big", signed=True), int.from_bytes(digest[16:24], "big") >> 2


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


def number_of(token: str) -> int:
    """Return what stands for the patient of a token in a table of numbers."""
    return int.from_bytes(bytes.fromhex(token)[:8], "big", signed=True)

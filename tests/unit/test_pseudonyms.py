"""Pseudonyms of patients: the same under one key, others under another, and nothing without it."""

import hmac
from hashlib import sha256

from readmission.pseudonyms import PatientKey, find_key, number_of, read_keys


def test_a_patient_has_one_pseudonym_a_key() -> None:
    key, again, other = PatientKey("a secret"), PatientKey("a secret"), PatientKey("another")
    assert key.token(8222157) == again.token(8222157) != other.token(8222157)
    assert key.pseudonym(8222157) == again.pseudonym(8222157) != other.pseudonym(8222157)
    assert len(key.token(1)) == 32 and -(2**63) <= key.pseudonym(1)[0] < 2**63
    assert number_of(key.token(1)) == key.pseudonym(1)[0] and 0 <= key.pseudonym(1)[1] < 2**62
    assert "8222157" not in key.token(8222157)
    assert len({key.token(n) for n in range(1000)}) == 1000
    assert key.token("Patient/1") == again.token("Patient/1") != key.token("Patient/2")
    assert key.token("1") != key.token(1)


def test_a_pseudonym_is_an_hmac() -> None:
    key = sha256(b"readmission patient key\0a secret").digest()
    for patient in (1, 8222157):
        assert PatientKey("a secret").token(patient) == hmac.digest(key, b"%d" % patient, "sha256")[:16].hex()


def test_keys_are_the_current_one_and_earlier_ones() -> None:
    keys = read_keys("new", "old, older,")
    assert [key.id for key in keys] == [PatientKey(text).id for text in ("new", "old", "older")]
    assert find_key(keys, PatientKey("old").id) is keys[1]
    assert find_key(keys, "00000000") is None
    assert read_keys("") == ()

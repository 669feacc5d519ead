"""Pseudonyms of patients: the same under one key, others under another, and nothing without it."""

from readmission.pseudonyms import PatientKey, find_key, read_keys


def test_a_patient_has_one_pseudonym_a_key() -> None:
    key, again, other = PatientKey("a secret"), PatientKey("a secret"), PatientKey("another")
    assert key.token(8222157) == again.token(8222157) != other.token(8222157)
    assert key.number(8222157) == again.number(8222157) != other.number(8222157)
    assert len(key.token(1)) == 32 and -(2**63) <= key.number(1) < 2**63
    assert "8222157" not in key.token(8222157)
    assert len({key.token(n) for n in range(1000)}) == 1000


def test_keys_are_the_current_one_and_earlier_ones() -> None:
    keys = read_keys("new", "old, older,")
    assert [key.id for key in keys] == [PatientKey(text).id for text in ("new", "old", "older")]
    assert find_key(keys, PatientKey("old").id) is keys[1]
    assert find_key(keys, "00000000") is None
    assert read_keys("") == ()

"""A tombstone covers its patient under the key that made it, and an unknown key stops the work."""

import pytest

from readmission.errors import UserError
from readmission.privacy.tombstones import Tombstones
from readmission.pseudonyms import read_keys


def test_an_erased_patient_is_covered_also_after_a_rotation() -> None:
    old, new = read_keys("old")[0], read_keys("new")[0]
    tombstones = Tombstones([new, old], [(old.token(900), old.id), (new.token(77), new.id)])
    assert tombstones and tombstones.cover(900) and tombstones.cover(" 77 ")
    assert not tombstones.cover(901) and not tombstones.cover("?") and not tombstones.cover(None)


def test_without_tombstones_no_key_is_needed() -> None:
    assert not Tombstones([], [])
    assert not Tombstones([], []).cover(900)


def test_a_tombstone_of_a_key_that_is_not_there_is_an_error() -> None:
    old = read_keys("old")[0]
    with pytest.raises(UserError, match="READMISSION_PREVIOUS_PATIENT_KEYS"):
        Tombstones(read_keys("new"), [(old.token(900), old.id)])

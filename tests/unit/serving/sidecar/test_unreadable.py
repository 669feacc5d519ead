"""Pieces that could not be stored go with their age, or when somebody in them is erased."""

import os
from pathlib import Path

import pytest

from readmission.privacy.tombstones import Tombstones
from readmission.pseudonyms import PatientKey
from serving.sidecar.unreadable import Unreadable

KEY = PatientKey("secret")


def erased(*patients: int | str) -> Tombstones:
    return Tombstones([KEY], [(KEY.token(patient), KEY.id) for patient in patients])


@pytest.mark.parametrize("content", [b'\x00{"patient_nbr":8222157,"age"', b"\xd9\x2aPatient/p-1\xa3end"])
def test_a_piece_goes_when_somebody_in_it_is_erased(tmp_path: Path, content: bytes) -> None:
    tombstones = [erased(9)]
    unreadable = Unreadable(tmp_path, lambda: tombstones[-1])
    (tmp_path / "1.log").write_bytes(content)
    (tmp_path / "2.log").write_bytes(b'{"patient_nbr":82221570}')
    unreadable.delete_erased()
    assert len(list(tmp_path.iterdir())) == 2
    tombstones.append(erased(9, 8222157, "Patient/p-1"))
    unreadable.delete_erased()
    assert [path.name for path in tmp_path.iterdir()] == ["2.log"]


def test_an_old_piece_goes(tmp_path: Path) -> None:
    unreadable = Unreadable(tmp_path, erased)
    (tmp_path / "1.log").write_bytes(b"")
    os.utime(tmp_path / "1.log", (1, 1))
    unreadable.delete_old(0)
    assert (tmp_path / "1.log").exists()
    unreadable.delete_old(30)
    assert not (tmp_path / "1.log").exists()


def test_without_pieces_nobody_asks_the_database(tmp_path: Path) -> None:
    def fail() -> Tombstones:
        raise AssertionError("asked")

    Unreadable(tmp_path / "absent", fail).delete_erased()

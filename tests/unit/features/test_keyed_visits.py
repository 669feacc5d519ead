"""A keyed table answers as the plain one does, holds no number of anybody, and changes its key."""

import io
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from readmission.data import synthetic
from readmission.features import encoding, history
from readmission.features.keyed_visits import (
    UnknownKeyError,
    count_visits,
    open_visits,
    read_key_id,
    with_key,
    without_pseudonyms,
)
from readmission.features.visits import Visits
from readmission.pseudonyms import PatientKey

OLD, NEW = PatientKey("old"), PatientKey("new")


@pytest.fixture(params=[False, True], ids=["undated", "dated"])
def plain(request: pytest.FixtureRequest) -> bytes:
    """Give a table whose numbers are too long to occur in it by chance."""
    text = pd.read_csv(io.BytesIO(synthetic.generate(600, seed=5)), dtype=str, keep_default_na=False, skiprows=1)
    text["patient_nbr"] = [str(871_000_000_000 + int(number)) for number in text["patient_nbr"]]
    text["encounter_id"] = [str(654_000_000_000 + int(number)) for number in text["encounter_id"]]
    frame = encoding.typed_frame(text)
    if request.param:
        days = pd.to_timedelta(np.arange(len(frame)), unit="D")
        frame = frame.assign(discharged_at=pd.Timestamp("2026-01-01", tz="UTC") + days)
        frame = frame.assign(arrived_at=frame["discharged_at"])
    return history.pack(frame)


def patients_of(table: Visits) -> list[int]:
    return [table.patient(position) for position in range(table.patients)]


def test_a_keyed_table_answers_as_the_plain_one(plain: bytes, tmp_path: Path) -> None:
    path, table = tmp_path / "visits.bin", Visits(plain)
    path.write_bytes(with_key(plain, NEW, (), ())[0])
    keyed, patients = open_visits(path, [NEW]), patients_of(table)
    assert count_visits(path.read_bytes()) == count_visits(plain) and keyed.newest == table.newest
    for patient in [*patients, 5]:
        assert repr(keyed.of(patient)) == repr(table.of(patient))
        assert repr(keyed.summarise(patient, None, 1.0, 2.0, 3.0)) == repr(
            table.summarise(patient, None, 1.0, 2.0, 3.0)
        )
    asked = [*patients, None, 5, *patients]
    encounters = [None] * len(patients) + [None, 7] + [table.of(patient)[-1].encounter for patient in patients]
    assert keyed.revisits(asked, encounters).tolist() == table.revisits(asked, encounters).tolist()


def test_a_keyed_table_holds_no_number_of_anybody(plain: bytes) -> None:
    table, keyed = Visits(plain), with_key(plain, NEW, (), ())[0]
    encounters = [int(visit.encounter) for patient in patients_of(table) for visit in table.of(patient)]
    numbers = {*patients_of(table), *encounters}
    stored = {int(word) for word in struct.unpack(f"<{len(plain) // 8}q", plain[: len(plain) // 8 * 8])}
    assert stored & numbers, "the plain table has them"
    left = [number for number in numbers if struct.pack("=q", number) in keyed]
    assert left == []


def test_the_key_changes_if_every_patient_can_be_named(plain: bytes, tmp_path: Path) -> None:
    patients = patients_of(Visits(plain))
    old = with_key(plain, OLD, (), ())[0]
    assert read_key_id(plain) is None and read_key_id(old) == OLD.id
    assert with_key(old, NEW, [NEW, OLD], patients[1:]) == (old, 1)
    assert with_key(old, NEW, [NEW, OLD], patients) == with_key(plain, NEW, (), ())
    (tmp_path / "old").write_bytes(old)
    for attempt in (lambda: open_visits(tmp_path / "old", [NEW]), lambda: with_key(old, NEW, [NEW], patients)):
        with pytest.raises(UnknownKeyError, match="READMISSION_PATIENT_KEY"):
            attempt()


def test_a_patient_goes_by_pseudonym(plain: bytes, tmp_path: Path) -> None:
    patients = patients_of(Visits(plain))
    keyed = with_key(plain, NEW, (), ())[0]
    rest, removed = without_pseudonyms(keyed, [NEW.pseudonym(patients[3])[0]])
    (tmp_path / "rest").write_bytes(rest)
    table = open_visits(tmp_path / "rest", [NEW])
    assert table.patients == len(patients) - 1 and removed == len(Visits(plain).of(patients[3]))
    assert table.of(patients[3]) == [] and repr(table.of(patients[4])) == repr(Visits(plain).of(patients[4]))
    assert without_pseudonyms(rest, [NEW.pseudonym(patients[3])[0]]) == (rest, 0)

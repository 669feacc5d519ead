"""A table of visits without a patient answers everybody else as before."""

import io

import pandas as pd
import pytest

from readmission.data import synthetic
from readmission.features import encoding, history
from readmission.features.visit_table import without_patients
from readmission.features.visits import Visits


@pytest.fixture(scope="module")
def table() -> bytes:
    text = pd.read_csv(io.BytesIO(synthetic.generate(600, seed=5)), dtype=str, keep_default_na=False, skiprows=1)
    return history.pack(encoding.typed_frame(text))


def test_a_patient_goes_and_the_others_stay(table: bytes) -> None:
    before = Visits(table)
    gone = [before.patient(0), before.patient(before.patients // 2), before.patient(before.patients - 1)]
    data, removed = without_patients(table, gone)
    after = Visits(data)
    assert removed == sum(len(before.of(patient)) for patient in gone) == before.count - after.count
    assert after.patients == before.patients - 3
    for i in range(before.patients):
        patient = before.patient(i)
        expected = [] if patient in gone else [tuple(map(str, visit)) for visit in before.of(patient)]
        assert [tuple(map(str, visit)) for visit in after.of(patient)] == expected
    assert after.newest == max(visit.encounter for i in range(after.patients) for visit in after.of(after.patient(i)))


def test_strangers_change_nothing_and_everybody_may_go(table: bytes) -> None:
    assert without_patients(table, [-5]) == (table, 0)
    before = Visits(table)
    empty = Visits(without_patients(table, [before.patient(i) for i in range(before.patients)])[0])
    assert (empty.patients, empty.count) == (0, 0)
    with pytest.raises(ValueError, match="not a table of visits"):
        without_patients(b"x" * 100, [1])

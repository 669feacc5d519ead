import io
import math
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readmission.features import encoding, history
from readmission.features.visits import Visits

NAMES = [feature.name for feature in history.HISTORY_FEATURES]

#: (patient, encounter in millions, outcome, number_inpatient)
Row = tuple[int, int, str, int]


def frame(*rows: Row) -> pd.DataFrame:
    """Build the table of these rows, with further columns that depend on the encounter."""
    table = pd.DataFrame(rows, columns=["patient_nbr", "encounter_id", "readmitted", "number_inpatient"])
    table["encounter_id"] = (table["encounter_id"] * 1_000_000).astype("int64")
    table["number_inpatient"] = table["number_inpatient"].astype(float)
    seed = table["encounter_id"] // 1_000_000
    for name, modulus in (("time_in_hospital", 14), ("num_medications", 40), ("number_diagnoses", 9)):
        table[name] = (seed % modulus + 1).astype(float)
    table["discharge_disposition_id"] = (seed % 6 + 1).astype(float)
    table["diag_1"] = np.where(seed % 2 == 0, "428", "250.83")
    return table


def test_history_is_what_came_before() -> None:
    first, second, third = history.add(frame((1, 10, "<30", 0), (1, 40, ">30", 1), (1, 100, "NO", 2)))[NAMES].to_dict(
        "records"
    )
    assert first["history_count"] == 0 and np.isnan(first["history_days_last"])
    assert second["history_count"] == 1 and second["history_days_sum"] == second["history_days_last"] == 11
    assert second["history_same_code"] == 1 and second["history_inpatient_change"] == 1
    assert third["history_count"] == 2 and third["history_days_sum"] == 11 + 13 and third["history_days_last"] == 13
    assert third["history_inpatient_max"] == 1 and third["history_disposition_last"] == 40 % 6 + 1


def test_a_code_with_decimals_is_the_same_disease_as_without() -> None:
    table = frame((1, 10, "<30", 0), (1, 100, ">30", 1))
    table["diag_1"] = ["428", "428.23"]
    assert history.add(table).loc[1, "history_same_code"] == 1
    assert history.add(table, grain="whole").loc[1, "history_same_code"] == 0


def test_an_encounter_labelled_no_is_never_history() -> None:
    added = history.add(frame((1, 10, "NO", 0), (1, 100, ">30", 2)))
    assert added["history_count"].tolist() == [0, 0]
    assert added.loc[1, NAMES[2:]].isna().all()


@pytest.mark.parametrize(("inpatient", "at"), [(2, 15), (0, 15)])
def test_where_ids_run_backwards_there_is_no_history(inpatient: int, at: int) -> None:
    """Soon after a stay number_inpatient falls from 3, or is 0: the "earlier" row lies in the future."""
    before = 3 if inpatient else 0
    added = history.add(frame((1, 10, "<30", before), (1, at, "NO", inpatient)))
    assert added.loc[1, "history_count"] == 0
    assert added.loc[1, NAMES[2:]].isna().all()


def test_other_patients_are_no_history() -> None:
    assert history.add(frame((1, 10, "<30", 0), (2, 100, "NO", 1)))["history_count"].tolist() == [0, 0]


encounters = st.lists(
    st.tuples(st.integers(1, 3), st.integers(1, 400), st.sampled_from(["NO", "<30", ">30"]), st.integers(0, 4)),
    min_size=1,
    max_size=25,
    unique_by=lambda row: row[1],
)


@settings(max_examples=60)
@given(encounters, st.integers(1, 400))
def test_the_future_changes_nothing(rows: list[Row], now: int) -> None:
    """Features of encounters up to `now` are the same whether later ones are known or not."""
    until_now = [row for row in rows if row[1] <= now]
    if until_now:
        whole = history.add(frame(*rows))
        alone = history.add(frame(*until_now))
        until = whole[whole["encounter_id"] <= now * 1_000_000]
        pd.testing.assert_frame_equal(until[NAMES].reset_index(drop=True), alone[NAMES], check_index_type=False)


@settings(max_examples=30)
@given(encounters)
def test_the_own_outcome_changes_nothing(rows: list[Row]) -> None:
    """A row's history does not depend on how the row itself, or the patient's last one, ended."""
    table = frame(*rows)
    last = table.loc[table.groupby("patient_nbr")["encounter_id"].idxmax()].index
    changed = table.copy()
    changed.loc[last, "readmitted"] = "NO"
    pd.testing.assert_frame_equal(history.add(table)[NAMES], history.add(changed)[NAMES])


def test_of_a_visit_newer_than_the_data_every_earlier_one_is_history() -> None:
    """The label NO of the last visit has become out of date: the patient is here again."""
    earlier = Visits(history.pack(frame((1, 10, ">30", 0), (1, 100, "NO", 1), (2, 200, "NO", 0))))
    new = frame((1, 300, "NO", 2))
    for fresh in (new, new.drop(columns=["encounter_id", "readmitted"])):
        added = history.add(fresh, earlier).iloc[0]
        assert added["history_count"] == 2 and added["history_days_last"] == 100 % 14 + 1
        assert added["history_inpatient_change"] == 1
    # The same encounter within the data: there the ids run backwards.
    assert history.add(frame((1, 150, "NO", 2)), earlier).loc[0, "history_count"] == 1
    assert history.add(frame((3, 300, "NO", 2)), earlier).loc[0, "history_count"] == 0


@settings(max_examples=60)
@given(encounters)
def test_a_look_up_in_the_shipped_table_gives_what_training_saw(rows: list[Row]) -> None:
    table = frame(*rows)
    visits = Visits(history.pack(table))
    assert (visits.patients, visits.count) == (table["patient_nbr"].nunique(), len(table))
    pd.testing.assert_frame_equal(history.add(table, visits)[NAMES], history.add(table)[NAMES])


@settings(max_examples=60)
@given(encounters, st.lists(st.tuples(st.integers(0, 4) | st.none(), st.integers(0, 401) | st.none()), max_size=25))
def test_only_who_was_here_before_is_looked_up(rows: list[Row], asked: list[tuple[int | None, int | None]]) -> None:
    visits = Visits(history.pack(frame(*rows)))
    patients, numbers = [patient for patient, _ in asked], [n if n is None else n * 1_000_000 for _, n in asked]
    expected = [
        i
        for i, (patient, number) in enumerate(zip(patients, numbers, strict=True))
        if patient is not None and any(number is None or v.encounter < number for v in visits.of(patient))
    ]
    assert visits.revisits(patients, numbers).tolist() == expected
    assert visits.revisits(patients, [math.inf if n is None else n for n in numbers]).tolist() == expected


def test_unknown_values_and_files_that_are_no_table(tmp_path: Path) -> None:
    table = frame((1, 10, ">30", 0), (1, 100, ">30", 1)).assign(diag_1=[None, "428"], num_medications=[np.nan, 3.0])
    path = tmp_path / "visits.bin"
    path.write_bytes(history.pack(table))
    added = history.add(table, Visits.open(path)).iloc[1]
    assert added[["history_medications_last", "history_chapter_last", "history_same_code"]].isna().all()
    nobody = Visits(history.pack(table[:0]))
    assert nobody.of(1) == [] and nobody.revisits([1], [None]).tolist() == []
    for wrong in (b"", b"visits 1", path.read_bytes()[:-1], b"x" * 200):
        with pytest.raises(ValueError, match="not a table of visits"):
            Visits(wrong)


@pytest.mark.real
def test_no_inverted_pair_of_the_real_data_carries_history(real_source: Path) -> None:
    """The hundreds of encounters labelled NO that have a "later" one might as well not be there."""
    content = real_source.read_bytes()
    if real_source.suffix == ".zip":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            name = next(name for name in archive.namelist() if name.endswith("diabetic_data.csv"))
            content = archive.read(name)
    table = encoding.typed_frame(pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False))
    added = history.add(table)
    last = table.groupby("patient_nbr")["encounter_id"].transform("max")
    inverted = (table["readmitted"] == "NO") & (table["encounter_id"] < last)
    assert 400 < inverted.sum() < 600
    without = history.add(table[~inverted])
    pd.testing.assert_frame_equal(added.loc[~inverted, NAMES], without[NAMES])

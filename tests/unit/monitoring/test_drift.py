"""Effect sizes that are right, do not depend on how many rows there are, and an alarm that must be sustained."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readmission import contract
from readmission.monitoring import drift
from readmission.monitoring.binning import SCORE

RULE = drift.DriftRule(minimum=100)


def typed(rows: int, seed: int, **changes: object) -> pd.DataFrame:
    """Return a typed frame whose columns are drawn uniformly from what the contract allows."""
    rng = np.random.default_rng(seed)
    columns = {}
    for column in contract.FEATURE_COLUMNS:
        if column.name in contract.NUMERIC:
            columns[column.name] = rng.integers(column.minimum, min(column.maximum, 20) + 1, rows).astype(float)
        elif column.name in contract.DIAGNOSES:
            columns[column.name] = pd.Series(rng.choice(["428", "250.02", "V45"], rows), dtype="str")
        else:
            drawn = pd.Series(rng.choice(list(column.levels), rows), dtype="str")
            columns[column.name] = drawn.astype(column.dtype)
    return pd.DataFrame(columns).assign(**changes)


def by_name(columns: list[drift.ColumnDrift]) -> dict[str, drift.ColumnDrift]:
    return {entry.column: entry for entry in columns}


def test_psi_is_the_textbook_s_number() -> None:
    before, now = np.array([5000, 3000, 2000]), np.array([2000, 3000, 5000])
    exact = 2 * (0.5 - 0.2) * math.log(0.5 / 0.2)
    assert float(drift.psi(before, now)) == pytest.approx(exact, abs=1e-3)


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=2, max_size=20))
def test_psi_is_symmetric_never_negative_and_finite(pairs: list[tuple[int, int]]) -> None:
    before, now = (np.array(side) for side in zip(*pairs, strict=True))
    value = float(drift.psi(before, now))
    assert 0 <= value < math.inf
    assert value == pytest.approx(float(drift.psi(now, before)))


def test_rows_of_the_same_kind_have_not_drifted() -> None:
    columns = drift.compare(typed(5000, 1), typed(1000, 2))
    assert {entry.column for entry in columns} == set(contract.FEATURE_NAMES)
    assert drift.verdict(columns, RULE) == ([], [])
    assert all(entry.jensen_shannon < 0.3 for entry in columns)


def test_a_shift_is_measured_where_it_is() -> None:
    window = typed(1000, 2)
    window["num_medications"] += 6
    window["A1Cresult"] = pd.Series(np.nan, index=window.index, dtype="str")
    columns = by_name(drift.compare(typed(5000, 1), window))
    assert columns["num_medications"].wasserstein == pytest.approx(6 / np.sqrt((20**2 - 1) / 12), rel=0.1)
    assert columns["A1Cresult"].missing_now == 1.0
    assert columns["A1Cresult"].jensen_shannon == pytest.approx(1.0)
    assert columns["race"].wasserstein is None
    moderate, large = drift.verdict(list(columns.values()), RULE)
    assert set(moderate) == {"num_medications", "A1Cresult"} == set(large)


def test_paperwork_is_shown_and_alarms_nobody() -> None:
    window = typed(1000, 2, payer_code="MC", medical_specialty="Surgery-Thoracic", admission_type_id=1.0)
    columns = drift.compare(typed(5000, 1), window)
    assert {entry.column for entry in columns[:3]} == {"payer_code", "medical_specialty", "admission_type_id"}
    assert all(entry.psi > 1 for entry in columns[:3])
    assert drift.verdict(columns, RULE) == ([], [])
    assert drift.alarm([columns, columns], RULE) == []


def test_an_alarm_needs_the_same_columns_in_windows_in_a_row() -> None:
    reference, calm = typed(5000, 1), typed(1000, 2)
    still = drift.compare(reference, calm)
    shifted = drift.compare(reference, calm.assign(age="[90-100)"))
    assert drift.alarm([shifted], RULE) == []
    assert drift.alarm([shifted, still], RULE) == []
    assert drift.alarm([still, shifted, shifted], RULE) == ["age"]


def test_three_columns_that_drift_a_little_alarm_together_and_two_do_not() -> None:
    reference, window = typed(20_000, 1), typed(5000, 2)
    first = np.arange(5000) < 1500

    def tilted(*names: str) -> list[drift.ColumnDrift]:
        return drift.compare(reference, window.assign(**{n: window[n].mask(first, "Up") for n in names}))

    pair, three = tilted("insulin", "metformin"), tilted("insulin", "metformin", "glipizide")
    assert all(RULE.moderate < entry.psi < RULE.large for entry in three[:3])
    assert drift.alarm([pair, pair], RULE) == []
    assert drift.alarm([three, three], RULE) == ["glipizide", "insulin", "metformin"]


def test_a_handful_of_rows_is_noise() -> None:
    columns = by_name(drift.compare(typed(5000, 1), typed(20, 2)))
    assert columns["medical_specialty"].psi > RULE.moderate
    assert drift.verdict(list(columns.values()), RULE) == ([], [])


def test_the_score_is_a_column_as_well() -> None:
    rng = np.random.default_rng(3)
    reference = typed(5000, 1, **{SCORE: rng.beta(2, 16, 5000)})
    window = typed(1000, 2, **{SCORE: rng.beta(4, 16, 1000)})
    score = by_name(drift.compare(reference, window))[SCORE]
    assert not score.administrative
    assert score.beyond(RULE.large)

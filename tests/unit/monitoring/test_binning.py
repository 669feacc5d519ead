"""Counts of stated values; values that requests leave out are counted only as far as the reference explains them."""

import numpy as np
import pandas as pd
import pytest

from readmission import contract
from readmission.monitoring import drift
from readmission.monitoring.binning import SCORE, Binning
from tests.unit.monitoring.test_drift import RULE, by_name, typed


def left_out(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Return which values are absent where whole columns are left out."""
    return pd.DataFrame(
        {name: np.full(len(frame), name in names) for name in contract.FEATURE_NAMES}, index=frame.index
    )


def requested(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Return what the contract assumes of rows that leave columns out."""
    columns = {}
    for name in names:
        column = contract.BY_NAME[name]
        columns[name] = pd.Series(column.assumed or np.nan, index=frame.index).astype(frame[name].dtype)
    return frame.assign(**columns)


OPTIONAL = tuple(c.name for c in contract.FEATURE_COLUMNS if not c.required)


def test_columns_that_a_client_never_sends_are_no_drift() -> None:
    rng = np.random.default_rng(3)
    reference = typed(5000, 1, **{SCORE: rng.beta(2, 16, 5000)})
    window = requested(typed(1000, 2), *OPTIONAL).assign(**{SCORE: rng.beta(4, 8, 1000)})
    assert len(drift.verdict(drift.compare(reference, window), RULE)[0]) > 15
    columns = drift.compare(reference, window, absent=left_out(window, *OPTIONAL))
    assert drift.verdict(columns, RULE) == ([], [])
    assert not {entry.column for entry in columns} & {*OPTIONAL, SCORE}


def test_the_share_that_is_left_out_is_a_figure_of_its_own() -> None:
    window, reference = typed(1000, 2), typed(5000, 1)
    absent = left_out(window)
    absent.loc[:599, "race"] = True
    entry = by_name(drift.compare(reference, requested(window, "race").where(absent["race"], window), absent=absent))
    assert entry["race"].absent_now == 0.6
    assert not entry["race"].beyond(RULE.moderate)
    assert entry["gender"].absent_now == 0.0


def test_leaving_out_what_is_unknown_is_no_drift() -> None:
    def unknown(frame: pd.DataFrame) -> pd.Series:
        return frame["weight"].mask(np.arange(len(frame)) % 20 != 0)

    reference, window = typed(10_000, 1), typed(2000, 2)
    reference, window = (frame.assign(weight=unknown(frame)) for frame in (reference, window))
    absent = left_out(window)
    absent["weight"] = window["weight"].isna()
    entry = by_name(drift.compare(reference, window, absent=absent))["weight"]
    assert entry.psi < 0.1
    assert entry.missing_now == pytest.approx(entry.missing_before, abs=0.001)
    assert (entry.missing_before, entry.absent_now) == (0.95, 0.95)


def test_a_drift_of_what_is_stated_is_found_beside_absent_values() -> None:
    reference, window = typed(5000, 1), typed(1000, 2, race="Asian")
    absent = left_out(window)
    absent.loc[:499, "race"] = True
    assert drift.verdict(drift.compare(reference, window, absent=absent), RULE)[1] == ["race"]


def test_unknown_values_that_are_stated_still_count() -> None:
    reference = typed(5000, 1)
    window = typed(1000, 2)
    window["race"] = pd.Series(np.nan, index=window.index, dtype="str")
    columns = drift.compare(reference, window, absent=left_out(window))
    assert drift.verdict(columns, RULE)[1] == ["race"]


def test_without_absent_values_every_row_is_counted() -> None:
    frame = typed(300, 1)
    counts = Binning(frame).counts(frame)
    assert {int(column.sum()) for column in counts.values()} == {300}

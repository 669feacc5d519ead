"""The judge of the alarms finds that patients have changed, and no chance."""

from datetime import datetime, timedelta

import pandas as pd
import pytest

from bench.year.natural_drift import has_changed
from bench.year.plan import Plan
from bench.year.scenario import DRIFTED, QUARTER, START, WEEK
from readmission import contract
from tests.unit.bench.year.test_plan import ROWS

NOW = START + (QUARTER.drift - 1) * WEEK


@pytest.fixture
def stays() -> pd.DataFrame:
    return Plan(ROWS, QUARTER, seed=7).stays.copy()


def changed(stays: pd.DataFrame, now: datetime = NOW) -> list[str]:
    clinical = [column.name for column in contract.FEATURE_COLUMNS if not column.administrative]
    return [name for name in clinical if has_changed(stays, name, now)]


@pytest.mark.parametrize(
    ("column", "value"), [("num_lab_procedures", "90"), ("max_glu_serum", ">300"), ("diag_1", "V57")]
)
def test_a_column_that_changes_for_half_of_the_patients_is_found_alone(
    stays: pd.DataFrame, column: str, value: str
) -> None:
    assert changed(stays) == []
    week = stays["discharged_at"] >= pd.Timestamp(NOW - timedelta(days=14))
    stays.loc[week & (stays.index % 2 == 0), column] = value
    assert changed(stays) == [column]


def test_what_changes_later_does_not_count_and_what_changed_for_good_is_no_news(stays: pd.DataFrame) -> None:
    stays.loc[stays["discharged_at"] >= pd.Timestamp(NOW), "diag_1"] = "V57"
    assert changed(stays) == []
    # In the week after, the plan's own drift begins.
    assert set(changed(stays, NOW + WEEK)) == {"diag_1", *DRIFTED}
    stays["diag_1"] = "V57"
    assert set(changed(stays, NOW + WEEK)) == set(DRIFTED)

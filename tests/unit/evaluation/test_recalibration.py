"""Any readmission is recalibrated to the newest encounters, and only where there are enough."""

import numpy as np
import pytest

from readmission.evaluation import metrics, recalibration
from readmission.evaluation.metrics import Scored


def draw(n: int, late_odds: float, slope: float = 1.0) -> Scored:
    """Draw outcomes from risks that hold for the first half; in the second half the odds of any are others.

    Args:
        n: Encounters.
        late_odds: What is added to their log-odds in the second half.
        slope: What these are multiplied by before.
    """
    random = np.random.default_rng(7)
    any_ = random.uniform(0.2, 0.8, n)
    early = any_ * 0.2
    newer = np.arange(n) >= n // 2
    true = np.where(newer, 1 / (1 + (1 / any_ - 1) ** slope * np.exp(-late_odds)), any_)
    drawn = random.random(n)
    y = np.where(drawn < early, 2, np.where(drawn < true, 1, 0))
    return Scored(y, np.column_stack([1 - any_, any_ - early, early]), np.arange(n))


def test_slope_and_shift_are_those_of_the_newest_encounters() -> None:
    for shift, slope in ((-0.6, 1.0), (0.0, 1.0), (-0.5, 1.3)):
        line = recalibration.recalibrate(recalibration.newest(draw(40_000, shift, slope), 15_000))
        assert (line.shift, line.slope) == pytest.approx((shift, slope), abs=0.08)


def test_the_mean_risk_is_the_observed_share_and_the_error_falls() -> None:
    newest = recalibration.newest(draw(40_000, -0.6, 0.1), 5_000)
    line = recalibration.recalibrate(newest)
    assert line.slope == 0.5  # flatter ones are not believed
    moved = recalibration.move(newest, line)
    assert moved.any.mean() == pytest.approx((newest.y > 0).mean(), abs=1e-9)
    assert moved.early.mean() == pytest.approx(newest.event.mean(), abs=1e-9)
    assert metrics.measure(moved)["ece_any"] < metrics.measure(newest)["ece_any"] / 2
    assert recalibration.newest_error(moved, 50, 7, 5_000).value == metrics.measure(moved)["ece_any"]


def test_the_newest_stand_last() -> None:
    scored = draw(4_000, 0.0)
    assert recalibration.newest(scored).patients.tolist() == list(range(2_500, 4_000))
    assert len(recalibration.newest(draw(700, 0.0)).y) == 700


def test_few_encounters_or_one_outcome_move_nothing() -> None:
    nothing = recalibration.Recalibration()
    assert recalibration.recalibrate(draw(400, -0.6)) == nothing
    scored = draw(4_000, 0.0)
    assert recalibration.recalibrate(Scored(np.zeros(4_000, int), scored.probabilities, scored.patients)) == nothing
    assert recalibration.recalibrate(scored.part(np.zeros(4_000, bool))) == nothing


def test_few_early_readmissions_leave_the_early_risk() -> None:
    wrong = draw(8_000, 0.0)
    high = Scored(
        wrong.y, wrong.probabilities * [1, 0.5, 1] + wrong.probabilities[:, [1]] * [0, 0, 0.5], wrong.patients
    )
    assert recalibration.recalibrate(high).early < -0.5
    few = high.part(np.arange(2_000))
    assert few.event.sum() < recalibration.LEAST_EVENTS and recalibration.recalibrate(few).early == 0.0
    assert np.array_equal(recalibration.move(few, recalibration.recalibrate(few)).early, few.early)

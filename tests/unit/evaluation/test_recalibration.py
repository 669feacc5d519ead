"""The odds of any readmission are moved to the newest encounters, and only where there are enough."""

import numpy as np
import pytest

from readmission.evaluation import recalibration
from readmission.evaluation.metrics import Scored


def draw(n: int, late_odds: float) -> Scored:
    """Draw outcomes from risks that hold for the first half; in the second half the odds of any are others."""
    random = np.random.default_rng(7)
    any_ = random.uniform(0.2, 0.8, n)
    early = any_ * 0.2
    newer = np.arange(n) >= n // 2
    true = 1 / (1 + (1 / any_ - 1) * np.exp(-late_odds * newer))
    drawn = random.random(n)
    y = np.where(drawn < early, 2, np.where(drawn < true, 1, 0))
    return Scored(y, np.column_stack([1 - any_, any_ - early, early]), np.arange(n))


def test_the_shift_is_that_of_the_newest_encounters() -> None:
    assert recalibration.any_shift(draw(40_000, -0.6)) == pytest.approx(-0.6, abs=0.12)
    assert recalibration.any_shift(draw(40_000, 0.0)) == pytest.approx(0.0, abs=0.12)


def test_the_newest_stand_last() -> None:
    scored = draw(4_000, 0.0)
    assert recalibration.newest(scored).patients.tolist() == list(range(2_500, 4_000))
    assert len(recalibration.newest(draw(700, 0.0)).y) == 700


def test_few_encounters_or_one_outcome_move_nothing() -> None:
    assert recalibration.any_shift(draw(400, -0.6)) == 0.0
    scored = draw(4_000, 0.0)
    assert recalibration.any_shift(Scored(np.zeros(4_000, int), scored.probabilities, scored.patients)) == 0.0
    assert recalibration.any_shift(scored.part(np.zeros(4_000, bool))) == 0.0

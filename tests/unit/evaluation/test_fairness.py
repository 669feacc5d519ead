"""Bounds of the gaps: chance alone does not move them beyond a limit, a real gap does."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from readmission.evaluation import fairness
from readmission.evaluation.fairness import Slice
from readmission.evaluation.metrics import Scored


def hospital(seed: int, factor: float = 1.0) -> tuple[pd.DataFrame, Scored]:
    """Draw eight groups of 1,200; the events of group 0 are `factor` times as frequent as its risks say."""
    random = np.random.default_rng(seed)
    level = random.integers(0, 8, 9600)
    early = random.beta(2, 15, 9600)
    event = random.random(9600) < np.where(level == 0, early * factor, early)
    probabilities = np.column_stack([1 - early, np.zeros(9600), early])
    frame = pd.DataFrame({"race": level.astype(str), "gender": "Female", "age": "[70-80)"})
    return frame, Scored(np.where(event, 2, 0), probabilities, np.arange(9600))


def figures(seed: int, factor: float = 1.0) -> dict[str, float]:
    frame, scored = hospital(seed, factor)
    threshold = fairness.threshold_at(scored, 0.1)
    groups = fairness.slices(frame, scored, threshold)
    return fairness.gaps(groups, 0.3) | fairness.low_bounds(frame, scored, threshold, groups)


def test_groups_are_judged_by_their_events() -> None:
    frame, scored = hospital(1)
    groups = fairness.slices(frame.assign(race=["few"] * 300 + ["many"] * 9300), scored, 0.2, ["race"])
    assert [(g.level, g.judged) for g in groups] == [("few", False), ("many", True)]


def test_the_largest_of_many_gaps_is_beyond_a_limit_by_chance_and_its_bound_is_not() -> None:
    drawn = [figures(seed) for seed in range(30)]
    assert np.mean([d["risk_ratio"] > 1.15 for d in drawn]) > 0.2, "as the gate was decided before"
    assert np.mean([d["risk_ratio_low"] > 1.0 for d in drawn]) <= 0.1
    assert all(d["risk_ratio_low"] <= d["risk_ratio"] for d in drawn)


def test_a_real_gap_is_certain() -> None:
    assert all(figures(seed, 1.8)["risk_ratio_low"] > 1.25 for seed in range(5))


def test_without_a_judged_group_nothing_is_certain() -> None:
    frame, scored = hospital(1)
    assert set(fairness.low_bounds(frame, scored, 0.2, []).values()) == {0.0, 1.0}


@pytest.mark.parametrize("name", ["recall_gap_race_gender", "recall_below_promise", "slice_calibration_gap"])
def test_every_figure_has_a_bound_below_it(name: str) -> None:
    drawn = figures(3)
    assert drawn[f"{name}_low"] <= drawn[name]


def group(**values: Any) -> Slice:
    usual: dict[str, Any] = {"column": "age", "level": "[20-30)", "rows": 900, "prevalence": 0.1, "predicted": 0.1}
    usual |= {"recall": 0.2, "promised": 0.2, "alerts": 0.1, "roc_auc": 0.68, "judged": True, "events": 90}
    return Slice(**usual | values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, []),
        ({"roc_auc": 0.592}, ["ranks poorly"]),
        ({"prevalence": 0.149, "predicted": 0.113}, ["too low"]),
        ({"prevalence": 0.07, "predicted": 0.1}, ["too high"]),
        ({"roc_auc": 0.592, "events": 49}, []),
        ({"roc_auc": 0.592, "level": fairness.UNKNOWN}, []),
        ({"roc_auc": float("nan"), "prevalence": 1.0}, []),
    ],
)
def test_a_group_is_doubted_for_its_ranking_or_its_level(values: dict[str, Any], expected: list[str]) -> None:
    doubted = fairness.doubts([group(**values)], 0.684)
    assert [each.doubt for each in doubted] == expected
    assert all((each.column, each.level) == ("age", "[20-30)") for each in doubted)

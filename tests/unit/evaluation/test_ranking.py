"""Metrics of a ranking are those of `metrics.measure`, and the names say which they are."""

import numpy as np
import pytest

from readmission.evaluation import metrics, ranking
from readmission.evaluation.metrics import Scored


def test_the_names_are_those_that_are_measured_and_no_bin_or_class_is_needed() -> None:
    random = np.random.default_rng(1)
    risks = random.random(500).round(2)
    y = np.where(random.random(500) < risks, 2, 0)
    scored = Scored(y, np.c_[1 - risks, 0 * risks, risks], np.arange(500))
    weights = random.integers(0, 3, 500).astype(float)
    figures = ranking.measure_each(*scored.ranking(weights[np.newaxis]))
    assert set(figures) == ranking.NAMES
    whole = metrics.measure(scored, weights)
    assert {name: values[0] for name, values in figures.items()} == {name: whole[name] for name in ranking.NAMES}
    assert set(ranking.measure_each(*scored.ranking(weights[np.newaxis]), ["pr_auc_30"])) == {"pr_auc_30"}
    in_groups = [np.bincount((risks * 100).round().astype(int), weights=w)[::-1] for w in (weights * (y == 2), weights)]
    events, every = (weight[in_groups[1] > 0] for weight in in_groups)
    assert ranking.measure(events, every - events) == pytest.approx({n: v[0] for n, v in figures.items()})


@pytest.mark.parametrize(("events", "others"), [([0.0, 0.0], [1.0, 2.0]), ([1.0, 2.0], [0.0, 0.0])])
def test_without_an_event_or_anything_else_there_is_no_area(events: list[float], others: list[float]) -> None:
    figures = ranking.measure(np.array(events), np.array(others))
    assert set(figures) == {"roc_auc_30", "pr_auc_30"} and all(np.isnan(value) for value in figures.values())


def test_a_paired_comparison_is_the_same_with_and_without_the_rest() -> None:
    random = np.random.default_rng(2)
    y, patients = random.integers(0, 3, 400), random.integers(0, 150, 400)
    first, second = (Scored(y, random.dirichlet([5, 3, 1.2], 400), patients) for _ in range(2))
    quick = metrics.compare(first, second, "pr_auc_30", 20)
    drawn = [
        metrics.measure(first, weights)["pr_auc_30"] - metrics.measure(second, weights)["pr_auc_30"]
        for weights in metrics.resample(patients, 20)
    ]
    assert (quick.low, quick.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))

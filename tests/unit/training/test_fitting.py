"""Metrics and plots of a fitted family."""

from typing import Any

import numpy as np
import pandas as pd

from readmission import contract, models
from readmission.evaluation import metrics, recalibration
from readmission.evaluation.metrics import Scored
from readmission.training import fitting


def scored(seed: int) -> Scored:
    random = np.random.default_rng(seed)
    return Scored(random.integers(0, 3, 300), random.dirichlet([6, 4, 1], 300), random.integers(0, 200, 300))


def test_metrics_are_prefixed_by_split_and_plots_are_of_test() -> None:
    pipeline = models.build("decision_tree", names=("age", "number_inpatient"))
    random = np.random.default_rng(0)
    pipeline.named_steps["classify"].fit(random.normal(size=(300, 2)), random.integers(0, len(contract.CLASSES), 300))
    fitted = fitting.judge("decision_tree", pipeline, {"validation": scored(1), "test": scored(2)}, 1.5)
    assert fitted.metrics["fit_seconds"] == 1.5
    assert {name.split("_")[0] for name in fitted.metrics} == {"val", "test", "fit", "any", "early"}
    assert fitted.metrics["val_roc_auc_30"] != fitted.metrics["test_roc_auc_30"]
    assert pd.Series(fitted.params).equals(pd.Series(models.parameters(pipeline)))
    assert len(fitting.draw_plots(fitted)) == 5


def test_the_odds_of_any_readmission_are_moved_to_the_newest_encounters() -> None:
    random = np.random.default_rng(3)
    n = 12_000
    x = random.normal(size=(n, len(models.SERVED)))
    split = np.repeat(["test", "train", "validation"], [3_000, 6_000, 3_000])
    # In the second half of each held-out split fewer patients come back at all.
    position = np.concatenate([np.arange(3_000), np.zeros(6_000), np.arange(3_000)])
    any_ = 1 / (1 + np.exp(-(0.5 * x[:, 0] - 0.8 * (position >= 1_500))))
    drawn = random.random(n)
    y = np.where(drawn < any_ * 0.2, 2, np.where(drawn < any_, 1, 0))
    bounds = {name: slice(*np.flatnonzero(split == name)[[0, -1]] + [0, 1]) for name in ("test", "train", "validation")}

    class Rows:
        matrix = x

        def rows(self, name: str) -> slice:
            return bounds[name]

        def scored(self, name: str, probabilities: np.ndarray) -> Scored:
            rows = bounds[name]
            return Scored(y[rows], probabilities, np.arange(n)[rows])

    data: Any = Rows()
    data.y = y
    fitted = fitting.fit(data, "lightgbm", 7, {"n_estimators": 20})
    heads = fitted.pipeline.named_steps["classify"]
    assert heads.any_shift_ == fitted.metrics["any_shift"] < -0.5 and heads.any_slope_ == fitted.metrics["any_slope"]
    newest = recalibration.newest(fitted.scored["test"])
    moved = metrics.measure(newest)["ece_any"]
    heads.any_slope_, heads.any_shift_ = 1.0, 0.0
    before = metrics.measure(Scored(newest.y, heads.predict_proba(x[1_500:3_000]), newest.patients))["ece_any"]
    assert moved < 0.06 < 0.12 < before

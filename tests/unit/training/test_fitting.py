"""Metrics and plots of a fitted family."""

import numpy as np
import pandas as pd

from readmission import contract, models
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
    assert {name.split("_")[0] for name in fitted.metrics} == {"val", "test", "fit"}
    assert fitted.metrics["val_roc_auc_30"] != fitted.metrics["test_roc_auc_30"]
    assert pd.Series(fitted.params).equals(pd.Series(models.parameters(pipeline)))
    assert len(fitting.draw_plots(fitted)) == 5

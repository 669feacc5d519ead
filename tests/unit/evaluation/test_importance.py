"""Importance: the feature that decides is named by all three measures."""

import numpy as np
import pandas as pd

from readmission import models
from readmission.evaluation import importance
from readmission.evaluation.metrics import Scored


def test_importance_finds_the_column_that_matters() -> None:
    random = np.random.default_rng(0)
    matrix = random.normal(size=(3000, 3))
    event = random.random(3000) < 1 / (1 + np.exp(2 - 2 * matrix[:, 1]))
    y = np.where(event, 2, np.where(random.random(3000) < 0.3, 1, 0))
    pipeline = models.build("lightgbm", {"n_estimators": 20}, names=("age", "number_inpatient", "weight"))
    classifier = pipeline.named_steps["classify"].fit(matrix[:2000], y[:2000])
    held = Scored(y[2000:], classifier.predict_proba(matrix[2000:]), np.arange(1000))
    table = importance.table(pipeline, matrix[2000:], held, seed=1)
    assert list(table.columns) == ["permutation", "shap", "own"]
    assert table.index[0] == "number_inpatient" and table.iloc[0]["permutation"] > 0.1
    assert table["shap"].idxmax() == table["own"].idxmax() == "number_inpatient"
    tree = models.build("decision_tree", {}, names=("age", "number_inpatient", "weight"))
    tree.named_steps["classify"].fit(matrix[:2000], y[:2000])
    assert pd.isna(importance.table(tree, matrix[2000:], held, seed=1)["shap"]).all()

"""Importance of the features of a fitted Pipeline. Pure."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from xgboost import DMatrix

from readmission.evaluation.metrics import Scored, measure
from readmission.features.encoding import Matrix

#: Number of features that `table` measures.
SHOWN = 30
#: Number of rows that `table` draws to measure them.
ROWS = 1000


def native(pipeline: Pipeline) -> pd.Series:
    """Return each feature's share of the model's own importance; the shares sum to one.

    The own importance of trees is the gain of their splits. That of a linear model is the size of its weights of
    scaled columns, for a one-hot column the mean over its levels.

    Returns:
        Shares by feature name, the largest first.
    """
    names = pipeline.named_steps["encode"].get_feature_names_out()
    shares = np.abs(_own_importance(pipeline.named_steps["classify"], len(names)))
    return pd.Series(shares / max(shares.sum(), 1e-12), index=names).sort_values(ascending=False)


def table(pipeline: Pipeline, matrix: Matrix, scored: Scored, seed: int) -> pd.DataFrame:
    """Measure in three ways which features a fitted Pipeline relies on.

    Args:
        pipeline: Fitted Pipeline.
        matrix: Encoded rows that it was not trained on, shape (n, features).
        scored: The same rows with its probabilities.
        seed: Seed of the draw of rows and of the shuffling.

    Returns:
        One row a feature, for the SHOWN features of the largest own importance, the largest permutation first. Column
        `permutation` is the loss of ROC-AUC for <30 when the feature is shuffled. Column `shap` is the mean size of
        its contributions to the log-odds of <30, NaN for families without SHAP values. Column `own` is its share in
        `native`.
    """
    random = np.random.default_rng(seed)
    # As many rows with the event as without, because the number of events limits the precision of a ROC-AUC.
    outcomes = (np.flatnonzero(scored.event), np.flatnonzero(~scored.event))
    drawn = np.concatenate([random.permutation(rows)[: ROWS // 2] for rows in outcomes])
    names = pipeline.named_steps["encode"].get_feature_names_out()
    sample, outcome, classifier = matrix[drawn], scored.part(drawn), pipeline.named_steps["classify"]
    own = native(pipeline).head(SHOWN)

    # Every shuffled copy in one call, because each has its price.
    copies = np.tile(sample, (len(own) + 1, 1, 1))
    for copy, name in zip(copies[1:], own.index, strict=True):
        random.shuffle(copy[:, names.tolist().index(name)])
    answers = classifier.predict_proba(copies.reshape(-1, sample.shape[1])).reshape(len(copies), len(sample), -1)
    whole, *shuffled = (measure(Scored(outcome.y, answer, outcome.patients))["roc_auc_30"] for answer in answers)
    permutation = pd.Series(whole - np.array(shuffled), index=own.index)
    shap = pd.Series(_shap(classifier, sample, len(names)), index=names)
    measures = pd.DataFrame({"permutation": permutation, "shap": shap[own.index], "own": own})
    return measures.sort_values("permutation", ascending=False)


def _shap(classifier: Any, matrix: Matrix, width: int) -> Matrix:
    """Return the mean size of the TreeSHAP contributions, computed by LightGBM or XGBoost itself; NaN for others."""
    shares = np.zeros((len(matrix), width + 1))
    heads, weights = getattr(classifier, "heads", ()), getattr(classifier, "weights_", ())
    for head, weight in zip(heads, weights, strict=True):
        if hasattr(head, "booster_"):
            shares += weight * head.booster_.predict(matrix, pred_contrib=True)
        else:
            shares += weight * head.get_booster().predict(DMatrix(matrix), pred_contribs=True)
    sizes: Matrix = np.abs(shares[:, :-1]).mean(axis=0)
    return sizes if heads else np.full(width, np.nan)


def _own_importance(classifier: Any, width: int) -> Matrix:
    if not isinstance(classifier, Pipeline):
        return np.asarray(classifier.feature_importances_, dtype=np.float64)
    if "boost" in classifier.named_steps:
        return _gains(classifier.named_steps["boost"], width)
    return _weights(classifier, width)


def _gains(boost: Any, width: int) -> Matrix:
    """Sum the gains of a HistGradientBoostingClassifier, which has no feature_importances_."""
    gains = np.zeros(width)
    for trees in boost._predictors:
        for tree in trees:
            inner = tree.nodes[tree.nodes["is_leaf"] == 0]
            np.add.at(gains, inner["feature_idx"].astype(int), inner["gain"])
    return gains


def _weights(classifier: Pipeline, width: int) -> Matrix:
    prepare, regress = classifier.named_steps["prepare"], classifier.named_steps["regress"]
    size = np.abs(regress.coef_).mean(axis=0)
    weights = np.zeros(width)
    positions = {name: columns for name, _, columns in prepare.transformers_}
    weights[positions["numbers"]] = size[prepare.output_indices_["numbers"]]
    start = prepare.output_indices_["levels"].start
    for column, levels in zip(positions["levels"], prepare.named_transformers_["levels"].categories_, strict=True):
        weights[column] = size[start : start + len(levels)].mean()
        start += len(levels)
    return weights

"""Importance of the features of a fitted Pipeline. Pure."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.inspection import permutation_importance
from sklearn.pipeline import Pipeline
from xgboost import DMatrix

from readmission.evaluation.metrics import Scored, measure
from readmission.features.encoding import Matrix

#: How many features `table` looks at, and how many rows it takes.
SHOWN, ROWS = 30, 1000


def native(pipeline: Pipeline) -> pd.Series:
    """Return each feature's share of what the model itself counts; the shares sum to one.

    Trees count the gain of their splits, a linear model the weights of scaled columns (for a one-hot
    column the mean over its levels).

    Returns:
        by feature name, the largest first.
    """
    names = pipeline.named_steps["encode"].get_feature_names_out()
    shares = np.abs(_counted(pipeline.named_steps["classify"], len(names)))
    return pd.Series(shares / max(shares.sum(), 1e-12), index=names).sort_values(ascending=False)


def table(pipeline: Pipeline, matrix: Matrix, scored: Scored, seed: int) -> pd.DataFrame:
    """Say by three measures which features a fitted Pipeline leans on.

    Args:
        pipeline: the Pipeline.
        matrix: encoded rows that it was not trained on.
        scored: the same rows with its probabilities.
        seed: of the shuffling.

    Returns:
        the SHOWN features that the model itself counts most, a row each, the largest permutation first;
        `permutation`: loss of ROC-AUC for <30 when the feature is shuffled; `shap`: mean size of its contributions
        to the log-odds of <30, NaN for families without; `own`: as `native`.
    """
    random = np.random.default_rng(seed)
    # As many with the event as without: it is the number of events that decides how sure a ROC-AUC is.
    kinds = (np.flatnonzero(scored.event), np.flatnonzero(~scored.event))
    part = np.concatenate([random.permutation(rows)[: ROWS // 2] for rows in kinds])
    names = pipeline.named_steps["encode"].get_feature_names_out()
    chosen, few, classifier = matrix[part], scored.part(part), pipeline.named_steps["classify"]
    own = native(pipeline).head(SHOWN)

    def roc_auc(model: Any, rows: Matrix, y: Any) -> float:
        return measure(Scored(y, model.predict_proba(rows), few.patients))["roc_auc_30"]

    losses = permutation_importance(classifier, chosen, few.y, scoring=roc_auc, n_repeats=1, random_state=seed)
    lost = pd.Series(losses.importances_mean, index=names)[own.index]
    shap = pd.Series(_shap(classifier, chosen, len(names)), index=names)
    measures = pd.DataFrame({"permutation": lost, "shap": shap[own.index], "own": own})
    return measures.sort_values("permutation", ascending=False)


def _shap(classifier: Any, matrix: Matrix, width: int) -> Matrix:
    """Return the mean size of TreeSHAP contributions by LightGBM's and XGBoost's own code."""
    head: Any = getattr(classifier, "early_", None)
    if hasattr(head, "booster_"):
        shares = head.booster_.predict(matrix, pred_contrib=True)
    elif hasattr(head, "get_booster"):
        shares = head.get_booster().predict(DMatrix(matrix), pred_contribs=True)
    else:
        return np.full(width, np.nan)
    sizes: Matrix = np.abs(np.asarray(shares, dtype=np.float64)[:, :-1]).mean(axis=0)
    return sizes


def _counted(classifier: Any, width: int) -> Matrix:
    if not isinstance(classifier, Pipeline):
        return np.asarray(classifier.feature_importances_, dtype=np.float64)
    if "boost" in classifier.named_steps:
        return _gains(classifier.named_steps["boost"], width)
    return _weights(classifier, width)


def _gains(boost: Any, width: int) -> Matrix:
    """Sum the gains of a HistGradientBoostingClassifier, which has no feature_importances_."""
    found = np.zeros(width)
    for trees in boost._predictors:
        for tree in trees:
            inner = tree.nodes[tree.nodes["is_leaf"] == 0]
            np.add.at(found, inner["feature_idx"].astype(int), inner["gain"])
    return found


def _weights(classifier: Pipeline, width: int) -> Matrix:
    prepare, regress = classifier.named_steps["prepare"], classifier.named_steps["regress"]
    size = np.abs(regress.coef_).mean(axis=0)
    found = np.zeros(width)
    positions = {name: columns for name, _, columns in prepare.transformers_}
    found[positions["numbers"]] = size[prepare.output_indices_["numbers"]]
    start = prepare.output_indices_["levels"].start
    for column, levels in zip(positions["levels"], prepare.named_transformers_["levels"].categories_, strict=True):
        found[column] = size[start : start + len(levels)].mean()
        start += len(levels)
    return found

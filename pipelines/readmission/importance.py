"""Say which features a fitted Pipeline leans on. Pure."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from readmission.features import Matrix


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

"""Fit of one family on the training data, its metrics on the rows that it has not seen, and its plots."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from readmission import models
from readmission.evaluation import importance, metrics, plots, recalibration
from readmission.evaluation.metrics import Metrics, Scored
from readmission.training.dataset import JUDGED, Dataset

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FittedFamily:
    """Fitted family with its metrics.

    Attributes:
        family: Key of models.FAMILIES.
        pipeline: Fitted Pipeline, from a typed frame to probabilities.
        params: Parameters of its estimator.
        scored: Rows with their probabilities, by split of JUDGED.
        metrics: Metrics prefixed by val_ and test_, fit_seconds, any_slope and any_shift, what the log-odds of any
            readmission were multiplied by and moved by, and early_shift, what those of early readmission were moved by.
    """

    family: str
    pipeline: Pipeline
    params: Mapping[str, Any]
    scored: Mapping[str, Scored]
    metrics: Metrics


def fit(data: Dataset, family: str, seed: int, params: Mapping[str, Any] | None = None) -> FittedFamily:
    """Fit one family on the training rows and judge it on validation and test, on one core."""
    pipeline = models.build(family, params, seed=seed)
    began = time.perf_counter()
    train = data.rows("train")
    with threadpool_limits(1):  # families are trained in parallel; more threads would compete for the cores
        # The encoder learns nothing, so the classifier can be fitted on the encoded matrix.
        classifier = pipeline.named_steps["classify"].fit(data.matrix[train], data.y[train])
        seconds = time.perf_counter() - began
        if isinstance(classifier, models.TwoHeads):
            before = data.scored("validation", classifier.predict_proba(data.matrix[data.rows("validation")]))
            recalibrate(classifier, before)
        scored = {
            split: data.scored(split, classifier.predict_proba(data.matrix[data.rows(split)])) for split in JUDGED
        }
    return judge(family, pipeline, scored, seconds)


def recalibrate(heads: models.TwoHeads, before: Scored) -> None:
    """Recalibrate the risks to the newest rows of validation.

    Args:
        heads: Fitted heads, changed in place.
        before: Validation rows by batch and encounter, as the heads answer them.
    """
    line = recalibration.recalibrate(recalibration.newest(before))
    heads.recalibrate(line.slope, line.shift, line.early)


def judge(family: str, pipeline: Pipeline, scored: Mapping[str, Scored], seconds: float) -> FittedFamily:
    """Measure a fitted family on the splits of JUDGED.

    Args:
        family: Key of models.FAMILIES.
        pipeline: Fitted Pipeline.
        scored: Rows with their probabilities, by split of JUDGED.
        seconds: Time of the fit.
    """
    figures = {
        prefix + name: value
        for split, prefix in JUDGED.items()
        for name, value in metrics.measure(scored[split]).items()
    }
    roc_auc, accuracy = figures["val_roc_auc_30"], figures["val_accuracy"]
    log.info("%s: %.1f s, validation ROC-AUC for <30 %.4f, accuracy %.4f", family, seconds, roc_auc, accuracy)
    figures["fit_seconds"] = seconds
    classifier = pipeline.named_steps["classify"]
    figures["any_slope"] = getattr(classifier, "any_slope_", 1.0)
    figures["any_shift"] = getattr(classifier, "any_shift_", 0.0)
    figures["early_shift"] = getattr(classifier, "early_shift_", 0.0)
    return FittedFamily(
        family=family, pipeline=pipeline, params=models.parameters(pipeline), scored=scored, metrics=figures
    )


def draw_plots(fitted: FittedFamily) -> dict[str, Figure]:
    """Return the plots of one fitted family on test, by file name."""
    test, name = fitted.scored["test"], fitted.family.replace("_", " ")
    return {
        "confusion_matrix.png": plots.confusion_matrix(test, f"{name}, test"),
        "feature_importance.png": plots.feature_importance(importance.native(fitted.pipeline), name),
        "roc_pr_curve.png": plots.roc_and_precision_recall(test, f"{name}: readmission within 30 days, test"),
        "calibration_curve.png": plots.calibration(test, f"{name}, test"),
        "decision_curve.png": plots.decision_curve(test, f"{name}: whom to alert, test"),
    }

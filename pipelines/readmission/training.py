"""Read the training data of one snapshot, and fit and judge one family on it."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from readmission import evaluation, features, history, importance, models, pictures, stores
from readmission.errors import UserError
from readmission.evaluation import Metrics, Scored
from readmission.settings import Settings

log = logging.getLogger(__name__)

#: Splits that are judged, with the prefix of their metrics.
JUDGED = {"validation": "val_", "test": "test_"}


@dataclass(frozen=True)
class Dataset:
    """Hold one snapshot of CLEAN, encoded once for every family.

    Attributes:
        frame: typed frame with patient_nbr, batch_id, split and history, ordered by batch and encounter.
        sha256: data hash of the snapshot.
        batches: ids of its batches.
        synthetic: whether any batch was made up by `--sample`.
    """

    frame: pd.DataFrame
    sha256: str
    batches: list[int]
    synthetic: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the matrix's columns."""
        return models.SERVED

    @cached_property
    def matrix(self) -> features.Matrix:
        """Return every feature of every row."""
        return features.encode(self.frame, models.Encoder(self.names).features)

    @cached_property
    def y(self) -> npt.NDArray[np.int64]:
        """Return the outcomes, positions in contract.CLASSES."""
        return features.target(self.frame)

    def rows(self, split: str) -> npt.NDArray[np.intp]:
        """Return the positions of a split's rows.

        Raises:
            UserError: the split has no row, or in `train` a class is missing.
        """
        found = np.flatnonzero((self.frame["split"] == split).to_numpy())
        if not len(found) or (split == "train" and len(np.unique(self.y[found])) < 3):
            raise UserError(f"The {split} split of batches {self.batches} is too small: ingest and process more data.")
        return found

    def scored(self, split: str, probabilities: npt.NDArray[np.float64]) -> Scored:
        """Return a split's outcomes with predicted probabilities."""
        rows = self.rows(split)
        return Scored(self.y[rows], probabilities, self.frame["patient_nbr"].to_numpy()[rows])


def load(settings: Settings, up_to: int | None = None) -> Dataset:
    """Read the clean snapshot up to a batch.

    Raises:
        UserError: there is no clean data.
    """
    frame, digest, batches = stores.snapshot(settings, up_to)
    with stores.transaction(settings, "train") as cursor:
        cursor.execute("SELECT bool_or(synthetic) FROM raw.batches WHERE batch_id = ANY(%s)", (batches,))
        synthetic = bool(cursor.fetchone()[0])
    return Dataset(history.add(frame), digest, batches, synthetic)


@dataclass(frozen=True)
class Candidate:
    """Hold one fitted family.

    Attributes:
        family: key of models.FAMILIES.
        pipeline: fitted; typed frame in, probabilities out.
        params: of its estimator.
        scored: by split of JUDGED.
        metrics: prefixed by val_ and test_; also fit_seconds.
    """

    family: str
    pipeline: Pipeline
    params: Mapping[str, Any]
    scored: Mapping[str, Scored]
    metrics: Metrics


def fit(data: Dataset, family: str, seed: int, params: Mapping[str, Any] | None = None) -> Candidate:
    """Fit one family on the training rows and judge it on validation and test, on one core."""
    pipeline = models.build(family, params, seed=seed)
    began = time.perf_counter()
    train = data.rows("train")
    with threadpool_limits(1):  # families are trained beside each other; more threads would fight for the cores
        # The encoder learns nothing, so the classifier may be fitted on what is encoded already.
        classifier = pipeline.named_steps["classify"].fit(data.matrix[train], data.y[train])
        seconds = time.perf_counter() - began
        scored = {
            split: data.scored(split, classifier.predict_proba(data.matrix[data.rows(split)])) for split in JUDGED
        }
    metrics = {
        prefix + name: value
        for split, prefix in JUDGED.items()
        for name, value in evaluation.measure(scored[split]).items()
    }
    log.info(
        "%s: %.1f s, validation ROC-AUC for <30 %.4f, accuracy %.4f",
        family, seconds, metrics["val_roc_auc_30"], metrics["val_accuracy"],
    )  # fmt: skip
    metrics["fit_seconds"] = seconds
    return Candidate(family, pipeline, models.parameters(pipeline), scored, metrics)


def draw(candidate: Candidate) -> dict[str, Figure]:
    """Draw the pictures of one candidate, on test, by file name."""
    test, name = candidate.scored["test"], candidate.family.replace("_", " ")
    return {
        "confusion_matrix.png": pictures.confusion_matrix(test, f"{name}, test"),
        "feature_importance.png": pictures.feature_importance(importance.native(candidate.pipeline), name),
        "roc_pr_curve.png": pictures.roc_and_precision_recall(test, f"{name}: readmission within 30 days, test"),
        "calibration_curve.png": pictures.calibration(test, f"{name}, test"),
        "decision_curve.png": pictures.decision_curve(test, f"{name}: whom to alert, test"),
    }

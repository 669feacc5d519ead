"""Read the training data of one snapshot, and fit and judge one family on it."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from matplotlib.figure import Figure
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from readmission import contract, models
from readmission.data import snapshots
from readmission.data.snapshots import Snapshot
from readmission.errors import UserError
from readmission.evaluation import importance, metrics, plots
from readmission.evaluation.metrics import Metrics, Scored
from readmission.features import encoding, history
from readmission.features.visits import Visits
from readmission.settings import Settings

log = logging.getLogger(__name__)

#: Splits that are judged, with the prefix of their metrics.
JUDGED = {"validation": "val_", "test": "test_"}
#: What is kept of every row beside its features.
_KEPT = ["patient_nbr", "split", contract.TARGET]


@dataclass(frozen=True)
class Data:
    """Say which snapshot of CLEAN is trained on.

    Attributes:
        counts: Encounters (`size`), patients (`nunique`) and readmissions within 30 days (`early`) of every split.
        snapshot: the batches.
        synthetic: whether any batch was made up by `--sample`.
    """

    counts: pd.DataFrame
    snapshot: Snapshot
    synthetic: bool

    @property
    def sha256(self) -> str:
        """Return the data hash of the snapshot."""
        return self.snapshot.sha256

    @property
    def batches(self) -> list[int]:
        """Return the ids of the snapshot's batches."""
        return self.snapshot.batches

    @property
    def prevalence(self) -> float | None:
        """Return the share of readmissions within 30 days in the train split, 0 to 1; None if the split is empty."""
        if "train" not in self.counts.index:
            return None
        return float(self.counts.loc["train", "early"] / self.counts.loc["train", "size"])


def count_splits(index: pd.DataFrame) -> pd.DataFrame:
    """Count the encounters, patients and early readmissions of every split.

    Args:
        index: Columns patient_nbr, split and the outcome, one row an encounter.

    Returns:
        One row a split, with columns `size`, `nunique` and `early`.
    """
    early = index[contract.TARGET] == contract.CLASSES[contract.EARLY]
    return (
        index.assign(early=early)
        .groupby("split", observed=True)
        .agg(size=("patient_nbr", "size"), nunique=("patient_nbr", "nunique"), early=("early", "sum"))
    )


@dataclass(frozen=True)
class Dataset(Data):
    """Hold one snapshot of CLEAN, encoded once for every family.

    Rows stand by split, so that the rows of one are a view and no copy; in a split by batch and encounter.

    Attributes:
        matrix: every feature, float64 (n, names).
        y: outcomes, positions in contract.CLASSES, (n,).
        patients: patient_nbr, (n,).
        places: which row of the snapshot, ordered by batch and encounter, each row is, (n,).
        bounds: where each split stands.
        frames: typed frames of validation and test, with history, where `load` was asked for them.
        visits: what later encounters see of every row of the snapshot (`history.join`).
    """

    matrix: encoding.Matrix
    y: npt.NDArray[np.int64]
    patients: npt.NDArray[np.int64]
    places: npt.NDArray[np.intp]
    bounds: Mapping[str, slice]
    frames: Mapping[str, pd.DataFrame]
    visits: bytes

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the matrix's columns."""
        return models.SERVED

    def rows(self, split: str) -> slice:
        """Return where a split's rows stand.

        Raises:
            UserError: the split has no row, or in `train` a class is missing.
        """
        found = self.bounds[split]
        if found.start == found.stop or (split == "train" and len(np.unique(self.y[found])) < 3):
            raise UserError(f"The {split} split of batches {self.batches} is too small: ingest and process more data.")
        return found

    def scored(self, split: str, probabilities: npt.NDArray[np.float64]) -> Scored:
        """Return a split's outcomes with predicted probabilities."""
        rows = self.rows(split)
        return Scored(self.y[rows], probabilities, self.patients[rows])


def load(settings: Settings, up_to: int | None = None, *, held_out: bool = False) -> Dataset:
    """Read the clean snapshot up to a batch, one batch after another: only its numbers are ever there as a whole.

    Args:
        settings: the stores.
        up_to: last batch to take; None takes all.
        held_out: what a judge needs: validation and test alone, as typed frames too.

    Raises:
        UserError: there is no clean data.
    """
    snapshot = snapshots.find(settings, up_to)
    splits = list(JUDGED) if held_out else ["train", *JUDGED]
    visits = snapshot.visits()
    index = pa.concat_tables(snapshot.tables(_KEPT)).to_pandas()
    counts = count_splits(index)
    split = pd.Categorical(index["split"], splits).codes
    places = np.argsort(split, kind="stable")[(split < 0).sum() :]
    ends = np.searchsorted(split[places], np.arange(len(splits) + 1))
    bounds = {name: slice(*map(int, ends[i : i + 2])) for i, name in enumerate(splits)}
    matrix, frames = _encode(snapshot, bounds, Visits(visits), keep=held_out)
    return Dataset(
        counts, snapshot, snapshots.synthetic(settings, snapshot),
        matrix, encoding.target(index)[places], index["patient_nbr"].to_numpy()[places], places, bounds, frames, visits,
    )  # fmt: skip


def _encode(
    snapshot: Snapshot, bounds: Mapping[str, slice], known: Visits, *, keep: bool
) -> tuple[encoding.Matrix, dict[str, pd.DataFrame]]:
    """Return the matrix of some splits and, when they are to be kept, their frames with history."""
    columns = models.Encoder(models.SERVED).features
    matrix = np.empty((max(bound.stop for bound in bounds.values()), len(columns)))
    filled = {split: bound.start for split, bound in bounds.items()}
    kept: dict[str, list[pd.DataFrame]] = {split: [] for split in bounds}
    for table in snapshot.tables(splits=list(bounds)):
        frame = history.add(table.to_pandas(), known)
        for split in bounds:
            part = frame[frame["split"] == split]
            start, filled[split] = filled[split], filled[split] + len(part)
            matrix[start : filled[split]] = encoding.encode(part, columns)
            if keep:
                kept[split].append(part)
    return matrix, {split: pd.concat(parts, ignore_index=True) for split, parts in kept.items() if parts}


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
    return judge(family, pipeline, scored, seconds)


def judge(family: str, pipeline: Pipeline, scored: Mapping[str, Scored], seconds: float) -> Candidate:
    """Measure a fitted family on the rows of JUDGED that it scored."""
    figures = {
        prefix + name: value
        for split, prefix in JUDGED.items()
        for name, value in metrics.measure(scored[split]).items()
    }
    log.info(
        "%s: %.1f s, validation ROC-AUC for <30 %.4f, accuracy %.4f",
        family, seconds, figures["val_roc_auc_30"], figures["val_accuracy"],
    )  # fmt: skip
    figures["fit_seconds"] = seconds
    return Candidate(family, pipeline, models.parameters(pipeline), scored, figures)


def draw(candidate: Candidate) -> dict[str, Figure]:
    """Draw the pictures of one candidate, on test, by file name."""
    test, name = candidate.scored["test"], candidate.family.replace("_", " ")
    return {
        "confusion_matrix.png": plots.confusion_matrix(test, f"{name}, test"),
        "feature_importance.png": plots.feature_importance(importance.native(candidate.pipeline), name),
        "roc_pr_curve.png": plots.roc_and_precision_recall(test, f"{name}: readmission within 30 days, test"),
        "calibration_curve.png": plots.calibration(test, f"{name}, test"),
        "decision_curve.png": plots.decision_curve(test, f"{name}: whom to alert, test"),
    }

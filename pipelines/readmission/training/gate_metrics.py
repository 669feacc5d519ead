"""Metrics that the gates judge, of one candidate. No store, no MLflow."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from readmission import contract, scorer
from readmission.evaluation import fairness, gate_figures, metrics
from readmission.evaluation.fairness import Slice
from readmission.evaluation.metrics import Array, Scored
from readmission.features import encoding, history
from readmission.scorer.invented import invented_rows
from readmission.training.dataset import JUDGED, Dataset

#: Features whose numbers are names without an order.
_NOMINAL = frozenset(f.name for f in (*encoding.FEATURES, *history.HISTORY_FEATURES) if f.categorical)


@dataclass(frozen=True)
class HeldOutMetrics:
    """Metrics of a Pipeline on the rows that it has not seen.

    Attributes:
        scored: Rows with their probabilities, by split of dataset.JUDGED.
        figures: Metrics by prefixed name, and the largest gaps of the slices.
        slices: Quality on groups of people, on validation and test together.
        threshold: Risk of the operating point, chosen on validation.
    """

    scored: Mapping[str, Scored]
    figures: dict[str, float]
    slices: list[Slice]
    threshold: float


def held_out_metrics(data: Dataset, pipeline: Pipeline) -> HeldOutMetrics:
    """Score validation and test with a Pipeline as it was logged, and measure the result.

    Args:
        data: Dataset that was loaded with `held_out=True`.
        pipeline: Fitted Pipeline, from raw columns to probabilities.
    """
    with threadpool_limits(1):
        scored = {s: data.scored(s, pipeline.predict_proba(data.frames[s])) for s in JUDGED}
    people = pd.concat([data.frames[s][list(fairness.COLUMNS)] for s in JUDGED], ignore_index=True)
    figures, groups, threshold = gate_figures.measure(scored, people)
    return HeldOutMetrics(scored=scored, figures=figures, slices=groups, threshold=threshold)


def strongest_feature(data: Dataset) -> tuple[str, float]:
    """Return the feature that alone ranks early readmission best on validation, and its ROC-AUC.

    A missing value ranks lowest; a feature may rank either way. Codes that are names rank by the share of early
    readmissions that they have on test: by their numbers, a leak in them would look like chance.
    """
    rows, others = data.rows("validation"), data.rows("test")
    best, top = "", 0.0
    for position, name in enumerate(data.names):
        values = np.nan_to_num(data.matrix[rows, position], nan=-1.0)
        if name in _NOMINAL:
            seen = np.nan_to_num(data.matrix[others, position], nan=-1.0)
            values = _shares(seen, data.y[others] == contract.EARLY, values)
        probabilities = np.column_stack([np.zeros((len(values), contract.EARLY)), values])
        roc_auc = metrics.measure(Scored(data.y[rows], probabilities, data.patients[rows]))["roc_auc_30"]
        if (strength := max(roc_auc, 1 - roc_auc)) > top:
            best, top = name, strength
    return best, top


def _shares(seen: Array, event: Array, values: Array) -> Array:
    """Return for each value the share of events among the rows seen with it; of all rows, if none was."""
    codes, positions = np.unique(seen, return_inverse=True)
    shares = np.bincount(positions, weights=event) / np.bincount(positions)
    places = np.searchsorted(codes, values).clip(max=len(codes) - 1)
    return np.asarray(np.where(codes[places] == values, shares[places], event.mean()))


def serving_metrics(folder: Path) -> dict[str, float]:
    """Load a compiled model as the API does, answer its golden rows, and measure its time and size.

    Args:
        folder: Folder of the artifact.

    Returns:
        `golden_difference`, the largest difference of a probability from the Pipeline; `scorer_microseconds`, the
        median time of one row; `artifact_megabytes`, the size of the folder.
    """
    # Golden and invented rows have no history, so that no key is needed.
    compiled = scorer.load(folder, None)
    difference = scorer.check_golden(compiled, scorer.manifest.read_golden(folder))
    rows = invented_rows(300, seed=1)
    seconds = []
    for row in rows:
        began = time.perf_counter()
        compiled.score(row)
        seconds.append(time.perf_counter() - began)
    size = sum(path.stat().st_size for path in folder.iterdir())
    return {
        "golden_difference": max(difference, compiled.manifest.parity.max_difference),
        "scorer_microseconds": median(seconds) * 1e6,
        "artifact_megabytes": size / 1e6,
    }

"""Metrics of probabilities, their intervals by patients, and the paired comparison of two models. Pure.

The event is readmission within 30 days (class `<30`, position `contract.EARLY`). A metric whose name ends in `_30`
is about this event against the rest. Every metric takes row weights, because the bootstrap resamples *patients*: the
rows of one patient are not independent.

The metrics are computed here and not by scikit-learn because an interval needs all of them for 500 weighted
resamples. The rows are sorted once for all resamples, where scikit-learn sorts them at every call, and many resamples
of few rows are measured together. The bootstrap of scipy resamples rows and not patients.
tests/unit/evaluation/test_metrics.py proves that the values equal those of scikit-learn.

References:
    Clustered bootstrap: Field and Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x.
    Expected calibration error: Naeini et al. 2015, here with ten bins of equal size.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from readmission import contract
from readmission.evaluation import confusion, ranking

Array = npt.NDArray[Any]
Metrics = dict[str, float]

#: Number of calibration bins.
BINS = 10
#: Number of resamples of the bootstrap.
RESAMPLES = 500
_BOUNDS = (0.025, 0.975)
#: Weights of rows that are measured together. More would leave the cache; fewer, and the calls cost more than the sums.
_TOGETHER = 2**16
#: Metrics whose smaller values are better.
LOWER_IS_BETTER = frozenset({"log_loss", "brier_30", "ece_30", "ece_any"})
_NO = contract.CLASSES.index("NO")


@dataclass(frozen=True)
class Interval:
    """Value of a metric with its 95 % interval.

    Attributes:
        value: Value on the rows as they are.
        low: 2.5th percentile over the resamples.
        high: 97.5th percentile over the resamples.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


@dataclass(frozen=True)
class Scored:
    """Rows with their outcomes and predicted probabilities.

    Attributes:
        y: Outcomes as positions in contract.CLASSES, shape (n,).
        probabilities: Predicted probabilities in the order of contract.CLASSES, shape (n, 3).
        patients: Value of patient_nbr in each row, shape (n,).
    """

    y: Array
    probabilities: Array
    patients: Array

    @property
    def early(self) -> Array:
        """Return the predicted probability of readmission within 30 days."""
        return self.probabilities[:, contract.EARLY]

    @property
    def event(self) -> Array:
        """Return which rows were readmitted within 30 days."""
        event: Array = self.y == contract.EARLY
        return event

    @property
    def any(self) -> Array:
        """Return the predicted probability of any readmission."""
        return 1.0 - self.probabilities[:, _NO]

    @cached_property
    def _ranked(self) -> tuple[Array, Array, Array]:
        """Return the order by falling risk, where each group of equal risks starts, and which groups have events."""
        order = np.argsort(-self.early, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(self.early[order]) != 0])
        return order, starts, np.flatnonzero(np.add.reduceat(self.event[order], starts))

    @cached_property
    def bins(self) -> Array:
        """Return the calibration bin of each row: BINS of equal size by risk, equal risks together."""
        return bin_risks(self.early)

    @cached_property
    def bins_any(self) -> Array:
        """Return the same bins by the predicted probability of any readmission."""
        return bin_risks(self.any)

    @cached_property
    def _cells(self) -> Array:
        cells: Array = self.y * len(contract.CLASSES) + self.probabilities.argmax(axis=1)
        return cells

    @cached_property
    def _losses(self) -> Array:
        """Return log loss, squared error, excess of risk, event and excess of any readmission of each row: (5, n)."""
        log_loss = -np.log(np.clip(self.probabilities[np.arange(len(self.y)), self.y], 1e-15, 1))
        excess = self.early - self.event
        return np.array([log_loss, excess**2, excess, self.event, self.any - (self.y != _NO)])

    def confusion(self, weights: Array | None = None) -> Array:
        """Return the 3 x 3 table, true class by most probable class."""
        size = len(contract.CLASSES)
        return np.bincount(self._cells, weights=weights, minlength=size * size).reshape(size, size)

    def part(self, rows: Array) -> "Scored":
        """Return some of the rows, by mask or positions."""
        return Scored(self.y[rows], self.probabilities[rows], self.patients[rows])

    def ranking(self, weights: Array) -> tuple[Array, Array, Array]:
        """Return what `ranking.measure_each` takes of many weightings of the rows, shape (weightings, n)."""
        order, starts, at = self._ranked
        ranked = np.take(weights, order, axis=1)
        if len(starts) == len(order):
            return ranked, np.take(ranked, at, axis=1), at
        events = np.add.reduceat(ranked * self.event[order], starts, axis=1)
        return np.add.reduceat(ranked, starts, axis=1), np.take(events, at, axis=1), at


def bin_risks(risks: Array) -> Array:
    """Return the calibration bin of each row: BINS of equal size by risk, equal risks together."""
    edges = np.unique(np.quantile(risks, np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.asarray(np.searchsorted(edges, risks, side="left"))


def measure(scored: Scored, weights: Array | None = None) -> Metrics:
    """Return every metric of one model on one set of rows.

    Args:
        scored: Rows with their outcomes and probabilities.
        weights: Row weights, shape (n,). If omitted, every row counts once.

    Returns:
        Metrics by name without prefix. ROC-AUC and PR-AUC are NaN if there is no event or nothing but events.
    """
    weights = np.ones(len(scored.y)) if weights is None else weights
    figures = {name: float(values[0]) for name, values in measure_each(scored, weights[np.newaxis]).items()}
    return {name: value for name, value in figures.items() if value == value or name not in ranking.AT_ALERTS}


def measure_each(scored: Scored, weights: Array) -> dict[str, Array]:
    """Return every metric under many weightings of the rows, computed together.

    Args:
        scored: Rows with their outcomes and probabilities.
        weights: Row weights, shape (weightings, n).

    Returns:
        Values of each metric, shape (weightings,).
    """
    total = weights.sum(axis=1)
    log_loss, squares, excess, event, excess_any = scored._losses
    sums = weights @ np.array([log_loss, squares, event]).T / total[:, np.newaxis]
    gaps = np.array([np.bincount(scored.bins, weights=each * excess) for each in weights])
    gaps_any = np.array([np.bincount(scored.bins_any, weights=each * excess_any) for each in weights])
    return {
        **confusion.measure(np.array([scored.confusion(each) for each in weights])),
        "ece_any": np.abs(gaps_any).sum(axis=1) / total,
        "log_loss": sums[:, 0],
        "brier_30": sums[:, 1],
        "ece_30": np.abs(gaps).sum(axis=1) / total,
        "prevalence_30": sums[:, 2],
        **ranking.measure_each(*scored.ranking(weights)),
    }


def resample(patients: Array, resamples: int = RESAMPLES, seed: int = 7) -> Iterator[Array]:
    """Yield weights of rows: how often each row's patient was drawn, with replacement."""
    _, rows = np.unique(patients, return_inverse=True)
    count = int(rows.max()) + 1
    random = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(random.integers(0, count, count), minlength=count)[rows].astype(np.float64)


def _resample_together(patients: Array, resamples: int, seed: int) -> Iterator[Array]:
    """Yield the same weights, as many at once as the cache of a core holds: shape (weightings, n)."""
    weights = resample(patients, resamples, seed)
    while together := list(islice(weights, max(1, _TOGETHER // len(patients)))):
        yield np.array(together)


def intervals(scored: Scored, resamples: int = RESAMPLES, seed: int = 7) -> dict[str, Interval]:
    """Return every metric with its interval by bootstrap of patients."""
    drawn = [measure_each(scored, weights) for weights in _resample_together(scored.patients, resamples, seed)]
    bounds = pd.concat(map(pd.DataFrame, drawn)).quantile(list(_BOUNDS))
    return {name: Interval(value, *map(float, bounds[name])) for name, value in measure(scored).items()}


def compare(candidate: Scored, champion: Scored, metric: str, resamples: int = RESAMPLES, seed: int = 7) -> Interval:
    """Return candidate minus champion, oriented so that positive is better, on the same rows.

    Each resample draws the same patients for both, which removes the noise that they share.

    Args:
        candidate: Rows scored by the candidate.
        champion: The same rows scored by the champion.
        metric: Name of a metric of `measure`.
        resamples: Number of resamples.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: The two are not scored on the same rows.
    """
    if not np.array_equal(candidate.y, champion.y) or not np.array_equal(candidate.patients, champion.patients):
        raise ValueError("candidate and champion must be scored on the same rows")
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0

    def values(scored: Scored, weights: Array) -> Array:
        if metric in ranking.NAMES:  # without the bins and classes that nobody asks for
            return ranking.measure_each(*scored.ranking(weights), [metric])[metric]
        return measure_each(scored, weights)[metric]

    def differences(weights: Array) -> Array:
        return sign * (values(candidate, weights) - values(champion, weights))

    drawn = [differences(weights) for weights in _resample_together(candidate.patients, resamples, seed)]
    bounds = pd.Series(np.concatenate(drawn)).quantile(list(_BOUNDS))
    return Interval(float(differences(np.ones((1, len(candidate.y))))[0]), *map(float, bounds))

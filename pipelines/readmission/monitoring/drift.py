"""Drift of the inputs and of the score, as effect sizes with their noise; and the rule that calls it an alarm.

There are no p-values: at the size of a batch every difference is "significant". PSI (population stability index, the
symmetrised Kullback-Leibler divergence of binned data), the Jensen-Shannon distance (base 2, 0..1) and the
Wasserstein distance (in standard deviations of the reference) measure how large a difference is.
Own code, and not Evidently or NannyML, because the rule needs the contract's bins (levels, ICD-9 chapters, a bin of
unknown values), a bootstrap interval of every PSI, and the PSI that chance alone gives a window of its size. It gave
no false alarm on the real data, whose windows reach a PSI of 0.49; see docs/reports/2026-11-21-drift-rule.md.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from readmission import contract
from readmission.features import icd9

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Name of the score's row among the columns: the probability of the class "<30".
SCORE = "score"
_BINS = 10
#: Levels that stand in their natural order, so that a distance has a meaning.
_ORDERED = frozenset({"age", "weight", *contract.NUMERIC, SCORE})
_RESAMPLES = 200


@dataclass(frozen=True, kw_only=True)
class DriftRule:
    """Rule of what counts as drift and what as an alarm.

    Attributes:
        moderate: PSI from which a column has drifted, provided that its interval also lies above the noise.
        large: PSI from which one clinical column alone makes an alarm.
        columns: Number of drifted clinical columns that make an alarm.
        windows: Number of consecutive windows in which the drift must last.
        minimum: Number of rows that a window needs to be judged.
    """

    moderate: float = 0.2
    large: float = 0.5
    columns: int = 3
    windows: int = 2
    minimum: int = 500


@dataclass(frozen=True, kw_only=True)
class ColumnDrift:
    """Difference of one column between reference and window.

    Attributes:
        column: Name of the contract's column, or `SCORE`.
        administrative: Whether the column is only shown and takes no part in an alarm.
        psi: Population stability index.
        low, high: Ends of its 95 % bootstrap interval.
        noise: 99 % quantile of the PSI that a window of this size drawn from the reference itself would have.
        jensen_shannon: Jensen-Shannon distance, from 0 (equal) to 1 (nothing in common).
        wasserstein: Wasserstein distance in standard deviations of the reference. None if the column is not ordered.
        missing_before, missing_now: Share of unknown values in the reference and in the window, 0 to 1.
    """

    column: str
    administrative: bool
    psi: float
    low: float
    high: float
    noise: float
    jensen_shannon: float
    wasserstein: float | None
    missing_before: float
    missing_now: float

    def beyond(self, threshold: float) -> bool:
        """Return whether the PSI reaches a threshold and exceeds what chance explains."""
        return self.psi >= threshold and self.low > self.noise


class Binning:
    """Bins of every column: the contract's levels, ICD-9 chapters, or deciles of the reference.

    The last bin of every column is for the unknown values.
    """

    def __init__(self, reference: pd.DataFrame) -> None:
        """Take the deciles of integers and of the score from the reference, and count its rows.

        Args:
            reference: Typed frame. A column `SCORE` (0 to 1, NaN if not scored) is optional.
        """
        self._code: dict[str, Callable[[pd.Series], Floats]] = {}
        self.labels: dict[str, list[str]] = {}
        for column in contract.FEATURE_COLUMNS:
            self._add(column, reference)
        if SCORE in reference and reference[SCORE].notna().any():
            self._add_numeric(SCORE, reference[SCORE], digits=3)
        #: Rows of the reference in every bin of every column.
        self.before: dict[str, Counts] = self.counts(reference)
        #: Its ordered columns: how often each value occurs.
        self.values = {name: self._frequencies(name, reference) for name in _ORDERED & self.labels.keys()}

    def _add(self, column: contract.Column, reference: pd.DataFrame) -> None:
        if column.name in contract.NUMERIC:
            self._add_numeric(column.name, reference[column.name], digits=0)
            return
        if column.name in contract.DIAGNOSES:
            self._code[column.name] = _chapters
            self.labels[column.name] = [*icd9.CHAPTER_NAMES, "unknown"]
            return
        position = {value: i for i, value in enumerate(column.values())}
        self._code[column.name] = lambda values: values.map(position).to_numpy(np.float64)
        self.labels[column.name] = [*column.levels, "unknown"]

    def _add_numeric(self, name: str, reference: pd.Series, digits: int) -> None:
        present = reference.dropna().to_numpy(np.float64)
        edges = np.unique(np.quantile(present, np.linspace(0, 1, _BINS + 1)[1:-1])) if len(present) else np.zeros(0)

        def code(values: pd.Series) -> Floats:
            numbers = values.to_numpy(np.float64)
            return np.where(np.isnan(numbers), np.nan, np.searchsorted(edges, numbers, side="right"))

        self._code[name] = code
        ends = [f"{edge:.{digits}f}" for edge in edges]
        inner = [f"{low}–<{high}" for low, high in itertools.pairwise(ends)]
        self.labels[name] = [f"<{ends[0]}", *inner, f"≥{ends[-1]}", "unknown"] if ends else ["all", "unknown"]

    def _frequencies(self, name: str, frame: pd.DataFrame) -> pd.Series:
        raw = name in contract.NUMERIC or name == SCORE
        values = frame[name].round(3) if raw else pd.Series(self.codes(name, frame[name]))
        return values.value_counts()

    def distance(self, name: str, window: pd.DataFrame) -> float | None:
        """Return the Wasserstein distance of an ordered column in standard deviations; None for others."""
        if name not in self.values:
            return None
        before, now = self.values[name], self._frequencies(name, window)
        if not len(before) or not len(now):
            return None
        numbers = before.index.to_numpy(np.float64)
        spread = float(np.sqrt(np.cov(numbers, fweights=before.to_numpy(), ddof=0))) or 1.0
        return float(wasserstein_distance(numbers, now.index, before, now)) / spread

    def codes(self, name: str, values: pd.Series) -> Floats:
        """Return the bin of each value, NaN where it is unknown."""
        return self._code[name](values)

    def counts(self, frame: pd.DataFrame) -> dict[str, Counts]:
        """Count the rows of a typed frame in every bin of every column that it has."""
        counts = {}
        for name, labels in self.labels.items():
            if name in frame:
                # A missing score says that the encounter was not scored, and nothing about the patient.
                codes = self.codes(name, frame[name].dropna() if name == SCORE else frame[name])
                filled = np.where(np.isnan(codes), len(labels) - 1, codes).astype(np.int64)
                counts[name] = np.bincount(filled, minlength=len(labels))
        return counts


def _chapters(values: pd.Series) -> Floats:
    chapter_of = {code: icd9.parse(code).chapter for code in values.dropna().unique()}
    chapters: Floats = values.map(chapter_of).to_numpy(np.float64)
    return chapters


def psi(before: npt.NDArray[np.generic], now: npt.NDArray[np.generic]) -> Floats:
    """Return the population stability index over the last axis; half a row is added to every bin.

    Args:
        before: Counts of the reference's bins, shape (..., bins). Leading axes broadcast.
        now: Counts of the window's bins, shape (..., bins).
    """
    p, q = (np.asarray(counts, np.float64) + 0.5 for counts in (before, now))
    p, q = p / p.sum(-1, keepdims=True), q / q.sum(-1, keepdims=True)
    result: Floats = ((q - p) * np.log(q / p)).sum(-1)
    return result


def compare(reference: Binning | pd.DataFrame, window: pd.DataFrame, seed: int = 7) -> list[ColumnDrift]:
    """Measure the drift of every column, and of the score when both frames have it.

    Args:
        reference: Typed frame, or the `Binning` of one that is compared many times.
        window: Typed frame. A column `SCORE` (0 to 1, NaN if not scored) is optional.
        seed: Seed of the bootstrap.

    Returns:
        One entry a column, the largest PSI first.
    """
    rng = np.random.default_rng(seed)
    binning = reference if isinstance(reference, Binning) else Binning(reference)
    columns = [
        _column(name, binning.before[name], now, binning.distance(name, window), rng)
        for name, now in binning.counts(window).items()
        if now.any()
    ]
    return sorted(columns, key=lambda drift: -drift.psi)


def _column(name: str, before: Counts, now: Counts, wasserstein: float | None, rng: np.random.Generator) -> ColumnDrift:
    n, m = int(before.sum()), int(now.sum())
    p, q = before / n, now / m
    drawn = rng.multinomial(n, p, _RESAMPLES)
    low, high = np.quantile(psi(drawn, rng.multinomial(m, q, _RESAMPLES)), [0.025, 0.975])
    return ColumnDrift(
        column=name,
        administrative=name != SCORE and contract.BY_NAME[name].administrative,
        psi=float(psi(before, now)),
        low=float(low),
        high=float(high),
        noise=float(np.quantile(psi(drawn, rng.multinomial(m, p, _RESAMPLES)), 0.99)),
        jensen_shannon=float(np.nan_to_num(jensenshannon(p, q, base=2))),
        wasserstein=wasserstein,
        missing_before=float(p[-1]),
        missing_now=float(q[-1]),
    )


def verdict(columns: Sequence[ColumnDrift], rule: DriftRule) -> tuple[list[str], list[str]]:
    """Return the clinical columns that drifted, and those whose drift is large; the score counts as clinical."""
    judged = [drift for drift in columns if not drift.administrative]
    return (
        [drift.column for drift in judged if drift.beyond(rule.moderate)],
        [drift.column for drift in judged if drift.beyond(rule.large)],
    )


def alarm(windows: Sequence[Sequence[ColumnDrift]], rule: DriftRule) -> list[str]:
    """Apply the rule to the newest windows, the newest last.

    Returns:
        The columns that make the alarm. Empty if there are too few windows or the drift did not last.
    """
    newest = windows[-rule.windows :]
    if len(newest) < rule.windows:
        return []
    verdicts = [verdict(columns, rule) for columns in newest]
    drifted = set.intersection(*(set(moderate) for moderate, _ in verdicts))
    large = set.intersection(*(set(names) for _, names in verdicts))
    return sorted(drifted if len(drifted) >= rule.columns else large)


def shares(binning: Binning, counts: Counts, name: str) -> Mapping[str, float]:
    """Return the share of rows in each bin of one column, by the bin's label."""
    return dict(zip(binning.labels[name], counts / max(1, counts.sum()), strict=True))

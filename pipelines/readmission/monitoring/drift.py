"""Drift of the inputs and of the score, as effect sizes with their noise; and the rule that calls it an alarm.

There are no p-values: at the size of a batch every difference is "significant". PSI (population stability index, the
symmetrised Kullback-Leibler divergence of binned data), the Jensen-Shannon distance (base 2, 0..1) and the
Wasserstein distance (in standard deviations of the reference) measure how large a difference is.
Own code, and not Evidently or NannyML, because the rule needs the contract's bins (levels, ICD-9 chapters, a bin of
unknown values), a bootstrap interval of every PSI, and the PSI that chance alone gives a window of its size. It gave
no false alarm on the real data, whose windows reach a PSI of 0.49; see docs/reports/2026-11-21-drift-rule.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial.distance import jensenshannon

from readmission import contract
from readmission.monitoring.binning import SCORE, Binning, Counts, Floats

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
        absent_now: Share of the window's rows that do not state the column at all, 0 to 1. It is a habit of a client
            and not a change of the patients, so it takes no part in the PSI.
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
    absent_now: float = 0.0

    def beyond(self, threshold: float) -> bool:
        """Return whether the PSI reaches a threshold and exceeds what chance explains."""
        return self.psi >= threshold and self.low > self.noise


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


def compare(
    reference: Binning | pd.DataFrame, window: pd.DataFrame, seed: int = 7, absent: pd.DataFrame | None = None
) -> list[ColumnDrift]:
    """Measure the drift of every column, and of the score when both frames have it.

    Args:
        reference: Typed frame, or the `Binning` of one that is compared many times.
        window: Typed frame. A column `SCORE` (0 to 1, NaN if not scored) is optional.
        seed: Seed of the bootstrap.
        absent: Which values the rows of the window do not state; see `Binning.counts`. The score of rows that lack a
            column which the reference mostly knows is left out: it differs because of the request, not of the patient.

    Returns:
        One entry a column that some row states, the largest PSI first.
    """
    rng = np.random.default_rng(seed)
    binning = reference if isinstance(reference, Binning) else Binning(reference)
    if absent is not None and SCORE in window:
        window = window.assign(**{SCORE: window[SCORE].mask(binning.partial(absent))})
    columns = []
    for name, now in binning.counts(window, absent).items():
        if now.any():
            left_out = absent[name] if absent is not None and name in absent else None
            stated = window if left_out is None else window[~left_out]
            entry = _column(name, binning.before[name], now, binning.distance(name, stated), rng)
            columns.append(entry if left_out is None else replace(entry, absent_now=float(left_out.mean())))
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

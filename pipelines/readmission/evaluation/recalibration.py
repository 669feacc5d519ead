"""Recalibration in the large: move the odds of any readmission to those of the newest encounters. Pure.

The share of patients who come back at all changes from year to year, and outcomes of the newest encounters are right
censored: who comes back later than the data ends counts as NO. A model of all years then states a P(NO) that no
present patient has. One number, added to the log-odds of any readmission, makes the mean risk of the newest encounters
the observed share (Janssen et al. 2008, "Updating methods improved the performance of a clinical prediction model").
"""

import numpy as np
from scipy.optimize import brentq

from readmission import contract
from readmission.evaluation import metrics
from readmission.evaluation.metrics import Interval, Scored

#: Encounters of a held-out split that count as the newest: about 10,000 of all splits.
RECENT = 1500
#: The same of all splits together.
RECENT_OF_ALL = 10_000
#: Encounters below which nothing is moved: chance alone would move the share by more than four points.
LEAST = 500
_NO = contract.CLASSES.index("NO")
_BOUND = 10.0


def newest(scored: Scored, count: int = RECENT) -> Scored:
    """Return the newest encounters of a split, whose rows stand by batch and encounter."""
    return scored.part(np.arange(len(scored.y)) >= len(scored.y) - count)


def newest_error(scored: Scored, resamples: int, seed: int) -> Interval:
    """Return the calibration error of any readmission on the newest encounters, with its 95 % interval.

    Args:
        scored: Rows of a split by batch and encounter.
        resamples: Resamples of the bootstrap of patients.
        seed: Seed of the bootstrap.
    """
    return metrics.intervals(newest(scored), resamples, seed)["ece_any"]


def chance_ece(risks: metrics.Array, share: float = 0.95, seed: int = 7) -> float:
    """Return the calibration error that chance alone gives exactly right risks in a share of the cases.

    Args:
        risks: Predicted probabilities of an event, shape (n,).
        share: Quantile, 0 to 1.
        seed: Seed of the draws.
    """
    spread = np.sqrt(np.bincount(metrics.bin_risks(risks), weights=risks * (1 - risks)))
    drawn = np.abs(np.random.default_rng(seed).normal(0, spread, (2000, len(spread)))).sum(axis=1) / len(risks)
    return float(np.quantile(drawn, share))


def any_shift(scored: Scored, count: int = RECENT) -> float:
    """Return what to add to the log-odds of any readmission so that its mean is right on the newest encounters.

    Args:
        scored: Held-out rows by batch and encounter, with the risks of the model that is to be moved.
        count: Encounters that count as the newest.

    Returns:
        Shift in log-odds; 0 where there are too few encounters, or the newest have only one outcome.
    """
    part = newest(scored, count)
    observed = float((part.y != _NO).mean()) if len(part.y) else 0.0
    if len(part.y) < LEAST or not 0.0 < observed < 1.0:
        return 0.0
    risks = np.clip(part.any, 1e-9, 1 - 1e-9)
    odds = np.log(risks / (1 - risks))
    return float(brentq(lambda shift: float((1 / (1 + np.exp(-odds - shift))).mean()) - observed, -_BOUND, _BOUND))

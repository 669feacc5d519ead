"""Recalibration of any readmission: fit its log-odds to the newest encounters. Pure.

The share of patients who come back at all changes from year to year, and outcomes of the newest encounters are right
censored: who comes back later than the data ends counts as NO. A model of all years then states a P(NO) that no
present patient has. Two numbers, a slope and an intercept of the log-odds of any readmission, are therefore fitted to
the newest encounters (Cox 1958; Janssen et al. 2008, "Updating methods improved the performance of a clinical
prediction model"). docs/model.md says how the window was chosen, and what the slope brings.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize

from readmission import contract
from readmission.evaluation import metrics
from readmission.evaluation.metrics import Interval, Scored

#: Encounters of a held-out split that count as the newest: about 10,000 of all splits, fewer would be too few.
RECENT = 1500
#: The same of all splits together.
RECENT_OF_ALL = 5000
#: Encounters below which nothing is moved: chance alone would move the share by more than four points.
LEAST = 500
_NO = contract.CLASSES.index("NO")
_BOUND = 10.0
#: Slopes that are believed; the nearest counts for one beyond.
_SLOPES = (0.5, 2.0)


@dataclass(frozen=True)
class Recalibration:
    """Straight line over the log-odds of any readmission.

    Attributes:
        slope: What the log-odds are multiplied by.
        shift: What is added to the product.
    """

    slope: float = 1.0
    shift: float = 0.0


def newest(scored: Scored, count: int = RECENT) -> Scored:
    """Return the newest encounters of a split, whose rows stand by batch and encounter."""
    return scored.part(np.arange(len(scored.y)) >= len(scored.y) - count)


def newest_error(scored: Scored, resamples: int, seed: int, count: int = RECENT) -> Interval:
    """Return the calibration error of any readmission on the newest encounters, with its 95 % interval.

    Args:
        scored: Rows of a split by batch and encounter.
        resamples: Resamples of the bootstrap of patients.
        seed: Seed of the bootstrap.
        count: Encounters that count as the newest.
    """
    return metrics.intervals(newest(scored, count), resamples, seed)["ece_any"]


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


def recalibrate(scored: Scored) -> Recalibration:
    """Return the line that makes the risks of any readmission right on some encounters, by maximum likelihood.

    Args:
        scored: Newest held-out rows, with the risks of the model that is to be recalibrated.

    Returns:
        No change where there are too few encounters, or they have only one outcome.
    """
    event = scored.y != _NO
    observed = float(event.mean()) if len(event) else 0.0
    if len(event) < LEAST or not 0.0 < observed < 1.0:
        return Recalibration()
    risks = np.clip(scored.any, 1e-9, 1 - 1e-9)
    odds = np.log(risks / (1 - risks))

    def loss(line: metrics.Array) -> float:
        margins = line[0] * odds + line[1]
        return float((np.logaddexp(0.0, margins) - event * margins).mean())

    slope = float(np.clip(minimize(loss, np.array([1.0, 0.0]), method="BFGS").x[0], *_SLOPES))
    # The mean risk is the observed share to the last digit, also where the slope is another than the likeliest.
    margins = slope * odds
    shift = brentq(lambda shift: float((1 / (1 + np.exp(-margins - shift))).mean()) - observed, -_BOUND, _BOUND)
    return Recalibration(slope, float(shift))


def move(scored: Scored, line: Recalibration) -> Scored:
    """Return rows with recalibrated risks of any readmission; the early risk stands, and any is at least it."""
    odds_against = (1.0 / np.clip(scored.any, 1e-12, 1.0) - 1.0) ** line.slope
    any_ = np.maximum(1.0 / (1.0 + odds_against * np.exp(-line.shift)), scored.early)
    return Scored(scored.y, np.column_stack([1.0 - any_, any_ - scored.early, scored.early]), scored.patients)

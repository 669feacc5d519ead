"""Recalibration of the risks: fit their log-odds to the newest encounters. Pure.

The share of patients who come back at all changes from year to year, and outcomes of the newest encounters are right
censored: who comes back later than the data ends counts as NO. A model of all years then states a P(NO) that no
present patient has. A slope and an intercept of the log-odds of any readmission are therefore fitted to the newest
encounters, and an intercept of those of early readmission (Cox 1958; Janssen et al. 2008, "Updating methods improved
the performance of a clinical prediction model"). docs/model.md says how the window was chosen, and what each brings.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit

from readmission import contract
from readmission.evaluation import metrics
from readmission.evaluation.metrics import Interval, Scored

#: Encounters of a held-out split that count as the newest: about 10,000 of all splits, fewer would be too few.
RECENT = 1500
#: The same of all splits together.
RECENT_OF_ALL = 5000
#: Encounters below which nothing is moved: chance alone would move the share by more than four points.
LEAST = 500
#: Early readmissions below which the early risk stands: chance alone would move it by 6 %.
LEAST_EVENTS = 300
_NO = contract.CLASSES.index("NO")
_BOUND = 10.0
#: Slopes that are believed; the nearest counts for one beyond.
_SLOPES = (0.5, 2.0)


@dataclass(frozen=True)
class Recalibration:
    """Straight line over the log-odds of any readmission, and a shift of those of early readmission.

    Attributes:
        slope: What the log-odds of any readmission are multiplied by.
        shift: What is added to the product.
        early: What is added to the log-odds of early readmission.
    """

    slope: float = 1.0
    shift: float = 0.0
    early: float = 0.0


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
    """Return what makes the risks right on some encounters, by maximum likelihood.

    Args:
        scored: Newest held-out rows, with the risks of the model that is to be recalibrated.

    Returns:
        No change where there are too few encounters, or they have only one outcome; none of the early risk where there
        are too few early readmissions.
    """
    event = scored.y != _NO
    if len(event) < LEAST or event.all() or not event.any():
        return Recalibration()
    odds = _log_odds(scored.any)

    def loss(line: metrics.Array) -> float:
        margins = line[0] * odds + line[1]
        return float((np.logaddexp(0.0, margins) - event * margins).mean())

    slope = float(np.clip(minimize(loss, np.array([1.0, 0.0]), method="BFGS").x[0], *_SLOPES))
    # The mean risk is the observed share to the last digit, also where the slope is another than the likeliest.
    shift = _shift(slope * odds, event)
    few = scored.event.sum() < LEAST_EVENTS
    return Recalibration(slope, shift, 0.0 if few else _shift(_log_odds(scored.early), scored.event))


def _log_odds(risks: metrics.Array) -> metrics.Array:
    return np.asarray(logit(np.clip(risks, 1e-9, 1 - 1e-9)))


def _shift(odds: metrics.Array, event: metrics.Array) -> float:
    """Return what to add to log-odds so that the mean risk is the observed share."""
    observed = event.mean()
    return float(brentq(lambda shift: float(expit(odds + shift).mean() - observed), -_BOUND, _BOUND))


def move(scored: Scored, line: Recalibration) -> Scored:
    """Return rows with recalibrated risks, as `models.TwoHeads.join` has them: any is at least early."""
    early = expit(_log_odds(scored.early) + line.early) if line.early else scored.early
    any_ = np.maximum(expit(line.slope * _log_odds(scored.any) + line.shift), early)
    return Scored(scored.y, np.column_stack([1.0 - any_, any_ - early, early]), scored.patients)

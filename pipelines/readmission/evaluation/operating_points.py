"""Choose where to act on a risk: operating points and bands, from validation. Pure.

Net benefit and its decision curve: Vickers and Elkin 2006, doi:10.1177/0272989X06295361.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from readmission.contract.risk import BAND_NAMES, OperatingPoint, RiskBand, Tested
from readmission.evaluation.fairness import threshold_at
from readmission.evaluation.metrics import Array, Scored
from readmission.evaluation.ranking import ALERT_RATES

#: Acceptable false alerts per true alert.
COST_RATIOS = (5, 10, 20)


def choose_points(scored: Scored) -> tuple[OperatingPoint, ...]:
    """Return an operating point for each alert rate and each ratio of costs.

    Args:
        scored: Validation rows, neither trained on nor used for the published metrics.
    """
    by_rate = (_point(f"alert {rate:.0%}", scored, threshold_at(scored, rate)) for rate in ALERT_RATES)
    by_cost = (_point(f"cost {ratio}:1", scored, _cheapest(scored, ratio)) for ratio in COST_RATIOS)
    return (*by_rate, *by_cost)


def choose_bands(scored: Scored) -> tuple[RiskBand, ...]:
    """Return the bands of risk, from the lowest: the rest, and the top fifth, tenth and twentieth of encounters.

    Args:
        scored: Validation rows.
    """
    starts = (0.0, *(threshold_at(scored, rate) for rate in sorted(ALERT_RATES, reverse=True)))
    return tuple(RiskBand(name, start) for name, start in zip(BAND_NAMES, starts, strict=True))


def measure_bands(
    bands: Sequence[RiskBand], scored: Scored, resamples: int = 500, seed: int = 7
) -> tuple[RiskBand, ...]:
    """Return the bands with what became of the test encounters in each.

    Args:
        bands: From the lowest risk.
        scored: Test rows.
        resamples: Number of resamples of patients.
        seed: Seed of the bootstrap.
    """
    positions = np.searchsorted([band.at_least for band in bands[1:]], scored.early, side="right")
    _, patients = np.unique(scored.patients, return_inverse=True)
    size = int(patients.max()) + 1
    members = [positions == position for position in range(len(bands))]
    # Encounters and events of each patient in each band: a resample of patients is a weight for each row.
    sums = np.column_stack(
        [np.bincount(patients[rows], minlength=size) for inside in members for rows in (inside, inside & scored.event)]
    )
    random = np.random.default_rng(seed)
    drawn = np.array([random.multinomial(size, np.full(size, 1 / size)) @ sums for _ in range(resamples)])
    shares = drawn[:, 1::2] / np.maximum(drawn[:, ::2], 1)
    lows, highs = np.quantile(shares, (0.025, 0.975), axis=0)
    return tuple(
        msgspec.structs.replace(
            band, tested=Tested(int(inside.sum()), float(scored.event[inside].mean()), float(low), float(high))
        )
        if inside.any()
        else band
        for band, inside, low, high in zip(bands, members, lows, highs, strict=True)
    )


def net_benefit(scored: Scored, thresholds: Sequence[float] | Array) -> Array:
    """Return the net benefit of alerting at or above each threshold, as a share of encounters.

    True alerts less false ones at the exchange rate that the threshold itself states: threshold / (1 - threshold).
    """
    order = np.argsort(-scored.early, kind="stable")
    caught = np.r_[0, np.cumsum(scored.event[order])]
    called = np.searchsorted(-scored.early[order], -np.asarray(thresholds), side="right")
    rate = np.asarray(thresholds) / (1 - np.asarray(thresholds))
    benefit: Array = (caught[called] - (called - caught[called]) * rate) / len(order)
    return benefit


def _cheapest(scored: Scored, ratio: float) -> float:
    """Return the threshold with the least cost: 1 a follow-up, `ratio` an early readmission without one."""
    order = np.argsort(-scored.early, kind="stable")
    risks = scored.early[order]
    last = np.r_[np.diff(risks) != 0, True]  # equal risks are alerted together
    saved = ratio * np.cumsum(scored.event[order]) - np.arange(1, len(order) + 1)
    return float(risks[np.argmax(np.where(last, saved, -np.inf))])


def _point(rule: str, scored: Scored, threshold: float) -> OperatingPoint:
    alerted = scored.early >= threshold
    hits = float((alerted & scored.event).sum())
    return OperatingPoint(
        rule=rule,
        threshold=threshold,
        alerts=float(alerted.mean()),
        recall=hits / max(float(scored.event.sum()), 1.0),
        precision=hits / max(float(alerted.sum()), 1.0),
    )

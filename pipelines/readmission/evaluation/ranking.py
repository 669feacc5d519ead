"""Metrics that depend on the order of the risks alone. Pure."""

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Shares of encounters that a team could follow up, at which recall and precision are measured.
ALERT_RATES = (0.05, 0.10, 0.20)
#: Areas under a curve.
AREAS = ("roc_auc_30", "pr_auc_30")
#: Metrics at ALERT_RATES.
AT_ALERTS = tuple(f"{name}_at_alert_{round(rate * 100)}" for name in ("recall", "precision") for rate in ALERT_RATES)
#: Names of the metrics.
NAMES = frozenset({*AREAS, *AT_ALERTS})


def measure(events: Array, others: Array) -> dict[str, float]:
    """Return the metrics of a ranking.

    Args:
        events: Weight of the events in each group of equal risk, by falling risk.
        others: Weight of the other rows in it.

    Returns:
        The metrics of NAMES. Without an event, or with nothing but events, ROC-AUC and PR-AUC alone, as NaN.
    """
    measured = measure_each((events + others)[np.newaxis], events[np.newaxis], np.arange(len(events)))
    figures = {name: float(values[0]) for name, values in measured.items()}
    return figures if events.sum() and others.sum() else {name: figures[name] for name in AREAS}


def measure_each(weights: Array, events: Array, at: Array, names: Collection[str] = NAMES) -> dict[str, Array]:
    """Return the metrics of many weightings of a ranking, computed together.

    Events are few, so all but the running sum of the weights is computed where they are.

    Args:
        weights: Weight of all rows in each group of equal risk, by falling risk, shape (weightings, groups).
        events: Weight of the events in the groups that can have some, shape (weightings, len(at)).
        at: Positions of these groups, rising.
        names: Those of NAMES that are asked for.

    Returns:
        Values of each metric, shape (weightings,); NaN without an event, or with nothing but events.
    """
    called, caught = np.cumsum(weights, axis=1), np.cumsum(events, axis=1)
    total = events.sum(axis=1)
    rest = called[:, -1] - total
    reached = np.take(called, at, axis=1)
    figures: dict[str, Array] = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        if "roc_auc_30" in names:
            # Others of a lower risk, and half of those of the same.
            below = rest[:, np.newaxis] - reached + caught + (np.take(weights, at, axis=1) - events) / 2
            figures["roc_auc_30"] = (events * below).sum(axis=1) / (total * rest)
        if "pr_auc_30" in names:
            figures["pr_auc_30"] = (events * caught / np.maximum(reached, 1e-12)).sum(axis=1) / total
        if not set(AREAS).issuperset(names):
            alerts = np.array(ALERT_RATES) * called[:, -1:]
            hits = _caught_at(alerts, weights, called, events, caught, at)
            for i, rate in enumerate(ALERT_RATES):
                figures[f"recall_at_alert_{round(rate * 100)}"] = hits[:, i] / total
                figures[f"precision_at_alert_{round(rate * 100)}"] = hits[:, i] / alerts[:, i]
    void = (total == 0) | (rest == 0)
    return {name: np.where(void, np.nan, values) for name, values in figures.items()}


def _caught_at(alerts: Array, weights: Array, called: Array, events: Array, caught: Array, at: Array) -> Array:
    """Return the weight of the events among the riskiest rows of some weights, shape (weightings, alerts).

    Within a group of equal risks the alerts are taken at random: linear between the groups.
    """
    groups = np.array([np.searchsorted(*pair) for pair in zip(called, alerts, strict=True)]).clip(
        max=len(weights.T) - 1
    )
    whole = np.searchsorted(at, groups)  # groups with events before that one
    begun = np.append(at, -1)[whole] == groups
    before = np.take_along_axis(np.pad(caught, ((0, 0), (1, 0))), whole, axis=1)
    inside = np.take_along_axis(np.pad(events, ((0, 0), (0, 1))), whole, axis=1)
    size = np.take_along_axis(weights, groups, axis=1)
    part = 1 - (np.take_along_axis(called, groups, axis=1) - alerts) / np.maximum(size, 1e-12)
    return before + np.where(begun, inside * part, 0.0)

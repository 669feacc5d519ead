"""Metrics that depend on the order of the risks alone. Pure."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Shares of encounters that a team could follow up, at which recall and precision are measured.
ALERT_RATES = (0.05, 0.10, 0.20)
#: Names of the metrics.
NAMES = frozenset(
    {"roc_auc_30", "pr_auc_30"}
    | {f"{name}_at_alert_{round(rate * 100)}" for name in ("recall", "precision") for rate in ALERT_RATES}
)


def measure(events: Array, others: Array) -> dict[str, float]:
    """Return the metrics of a ranking.

    Args:
        events: Weight of the events in each group of equal risk, by falling risk.
        others: Weight of the other rows in it.

    Returns:
        The metrics of NAMES. Without an event, or with nothing but events, ROC-AUC and PR-AUC alone, as NaN.
    """
    total, rest = events.sum(), others.sum()
    if not total or not rest:
        return {"roc_auc_30": float("nan"), "pr_auc_30": float("nan")}
    caught = np.r_[0, np.cumsum(events)]
    called = caught + np.r_[0, np.cumsum(others)]
    metrics = {
        "roc_auc_30": float((others * (caught[1:] - events / 2)).sum() / (total * rest)),
        "pr_auc_30": float((events * caught[1:] / np.maximum(called[1:], 1e-12)).sum() / total),
    }
    for rate in ALERT_RATES:
        # Within a group of equal risks the alerts are taken at random: linear between the groups.
        hits = np.interp(rate * called[-1], called, caught)
        name = f"alert_{round(rate * 100)}"
        metrics[f"recall_at_{name}"] = float(hits / total)
        metrics[f"precision_at_{name}"] = float(hits / (rate * called[-1]))
    return metrics

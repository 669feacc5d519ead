"""Figures of the gates that are computed from held-out rows, with their bounds. Pure.

`promote` and the simulation of the gates' error rates use the same function, so that the rates are those of the gates.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from readmission.evaluation import fairness, metrics, recalibration
from readmission.evaluation.fairness import Slice
from readmission.evaluation.metrics import Scored

#: Metrics whose 95 % interval the gates read, each end by the metric's name with `_low` or `_high` behind it.
_BOUNDED = ("roc_auc_30", "pr_auc_30", "accuracy_gain")
#: Share of encounters alerted at the operating point of the fairness gates.
OPERATING_POINT = 0.10


def measure(
    scored: Mapping[str, Scored], people: pd.DataFrame, *, resamples: int = 200, seed: int = 7
) -> tuple[dict[str, float], list[Slice], float]:
    """Measure a candidate on the rows that it has not seen.

    Args:
        scored: Rows of `validation` and `test`, in this order, each by batch and encounter.
        people: Columns of fairness.COLUMNS, one row each of validation, then of test.
        resamples: Resamples of the bootstrap of patients.
        seed: Seed of the bootstrap.

    Returns:
        Figures by name, quality on groups of people, and the threshold of the operating point.
    """
    figures: dict[str, float] = {}
    for split, part in scored.items():
        prefix = {"validation": "val_", "test": "test_"}[split]
        intervals = metrics.intervals(part, resamples, seed)
        figures |= {prefix + name: interval.value for name, interval in intervals.items()}
        for name in _BOUNDED:
            figures |= {f"{prefix}{name}_low": intervals[name].low, f"{prefix}{name}_high": intervals[name].high}
        # What exceeds chance: a true calibration error is at least as large, with 95 % confidence.
        figures[f"{prefix}ece_30_low"] = intervals["ece_30"].value - recalibration.chance_ece(part.early)
        recent = recalibration.newest(part)
        error = metrics.measure(recent)["ece_any"]
        figures[f"{prefix}recent_ece_any"] = error
        figures[f"{prefix}recent_ece_any_low"] = error - recalibration.chance_ece(recent.any)
        figures[f"{prefix}events"] = float(part.event.sum())
    threshold = fairness.threshold_at(scored["validation"], OPERATING_POINT)
    parts = scored.values()
    together = Scored(
        np.concatenate([part.y for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.patients for part in parts]),
    )
    groups = fairness.slices(people, together, threshold)
    overall = float((together.early[together.event] >= threshold).mean())
    figures |= fairness.gaps(groups, overall) | fairness.low_bounds(people, together, threshold, groups)
    return figures, groups, threshold

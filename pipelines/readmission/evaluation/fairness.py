"""Show how a model does on groups of people. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from readmission.evaluation.metrics import Array, Scored, measure

#: Columns whose groups must not be served worse, and the rows below which a group is shown, not judged.
COLUMNS = ("race", "gender", "age")
MINIMUM = 500
#: The level that gathers encounters where the column is missing.
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Slice:
    """Describe how a model does on one group of people.

    Attributes:
        column, level: the group; level `unknown` gathers missing.
        rows: encounters of the group.
        prevalence, predicted: observed and mean predicted share of readmission within 30 days.
        recall: share of its events that are above the threshold.
        promised: the recall that its own risks promise: the part of their sum that is above the threshold.
        alerts: share of its encounters above the threshold.
        roc_auc: within the group.
        judged: whether there are enough rows for a gate.
    """

    column: str
    level: str
    rows: int
    prevalence: float
    predicted: float
    recall: float
    promised: float
    alerts: float
    roc_auc: float
    judged: bool


def threshold_at(scored: Scored, alert_rate: float) -> float:
    """Return the risk at or above which this share of the rows lies."""
    return float(np.quantile(scored.early, 1 - alert_rate))


def slices(
    frame: pd.DataFrame,
    scored: Scored,
    threshold: float,
    columns: Sequence[str] = COLUMNS,
    minimum: int = MINIMUM,
) -> list[Slice]:
    """Judge each level of some columns by itself; levels of fewer rows than `minimum` are only shown."""
    found = []
    for column in columns:
        for level, rows in sorted(_grouped(frame[column]).items()):
            part = scored.part(rows)
            above = part.early >= threshold
            events = max(int(part.event.sum()), 1)
            found.append(
                Slice(
                    column, str(level), len(rows), float(part.event.mean()), float(part.early.mean()),
                    float((above & part.event).sum() / events), float(part.early[above].sum() / part.early.sum()),
                    float(above.mean()), measure(part)["roc_auc_30"], len(rows) >= minimum,
                )
            )  # fmt: skip
    return found


def _grouped(column: pd.Series) -> Mapping[Any, Array]:
    levels = column.fillna(UNKNOWN)
    found: Mapping[Any, Array] = levels.groupby(levels).indices
    return found


def gaps(groups: Sequence[Slice], overall: float) -> dict[str, float]:
    """Return the largest gaps of the judged groups: the figures of the gates on fairness.

    Args:
        groups: from `slices`.
        overall: recall of everybody at the same threshold.

    Returns:
        * `recall_gap_race_gender`: by how much a recorded race or a gender is found less often than everybody.
        * `recall_gap_any`: the same of every group; shown, see gates.yaml.
        * `recall_below_promise`: by how much a group is found less often than its own risks promise.
        * `risk_ratio`: observed by predicted share or its inverse, whichever is larger.
        * `slice_calibration_gap`: distance of predicted from observed share.
    """
    judged = [group for group in groups if group.judged]
    people = [group for group in judged if group.column in ("race", "gender") and group.level != UNKNOWN]
    return {
        "recall_gap_race_gender": max((overall - g.recall for g in people), default=0.0),
        "recall_gap_any": max((overall - g.recall for g in judged), default=0.0),
        "recall_below_promise": max((g.promised - g.recall for g in judged), default=0.0),
        "risk_ratio": max((_ratio(g.prevalence, g.predicted) for g in judged), default=1.0),
        "slice_calibration_gap": max((abs(g.predicted - g.prevalence) for g in judged), default=0.0),
    }


def _ratio(one: float, other: float) -> float:
    low, high = sorted((one, other))
    return high / low if low > 0 else float("inf")

"""Quality of a model on groups of people. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from readmission.evaluation.metrics import Array, Scored, measure

#: Columns whose groups must not be served worse.
COLUMNS = ("race", "gender", "age")
#: Rows below which a group is shown and not judged.
MINIMUM = 500
#: Level of the encounters whose column is missing.
UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Quality of a model on one group of people.

    Attributes:
        column: Column that defines the group.
        level: Level of that column, `unknown` where it is missing.
        rows: Number of encounters of the group.
        prevalence: Observed share of readmission within 30 days.
        predicted: Mean predicted risk of readmission within 30 days.
        recall: Share of the group's events at or above the threshold.
        promised: Recall that the group's own risks promise: the part of their sum that lies at or above the threshold.
        alerts: Share of the group's encounters at or above the threshold.
        roc_auc: ROC-AUC within the group. NaN if it has no event or nothing but events.
        judged: Whether the group has enough rows for a gate.
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
    """Return the risk at or above which a share of the rows, `alert_rate` (0 to 1), lies."""
    return float(np.quantile(scored.early, 1 - alert_rate))


def slices(
    frame: pd.DataFrame,
    scored: Scored,
    threshold: float,
    columns: Sequence[str] = COLUMNS,
    minimum: int = MINIMUM,
) -> list[Slice]:
    """Measure each level of some columns by itself.

    Args:
        frame: Columns that define the groups, with the rows of `scored` in the same order.
        scored: Rows with their outcomes and probabilities.
        threshold: Risk at or above which an encounter is alerted, 0 to 1.
        columns: Columns whose levels are the groups.
        minimum: Number of rows below which a group is shown and not judged.

    Returns:
        The groups by column, and by level in alphabetical order.
    """
    return [
        _slice(column, str(level), scored.part(rows), threshold, minimum)
        for column in columns
        for level, rows in sorted(_rows_by_level(frame[column]).items())
    ]


def _slice(column: str, level: str, part: Scored, threshold: float, minimum: int) -> Slice:
    above, rows = part.early >= threshold, len(part.y)
    events = max(int(part.event.sum()), 1)
    return Slice(
        column=column,
        level=level,
        rows=rows,
        prevalence=float(part.event.mean()),
        predicted=float(part.early.mean()),
        recall=float((above & part.event).sum() / events),
        promised=float(part.early[above].sum() / part.early.sum()),
        alerts=float(above.mean()),
        roc_auc=measure(part)["roc_auc_30"],
        judged=rows >= minimum,
    )


def _rows_by_level(column: pd.Series) -> Mapping[Any, Array]:
    levels = column.fillna(UNKNOWN)
    positions: Mapping[Any, Array] = levels.groupby(levels).indices
    return positions


def gaps(groups: Sequence[Slice], overall: float) -> dict[str, float]:
    """Return the largest gaps of the judged groups: the figures of the gates on fairness.

    Args:
        groups: What `slices` returns.
        overall: Recall of all encounters at the same threshold.

    Returns:
        * `recall_gap_race_gender`: How far the recall of a recorded race or gender lies below `overall`.
        * `recall_gap_any`: The same for every group. It is shown and not a gate; see gates.yaml.
        * `recall_below_promise`: How far a group's recall lies below the one that its own risks promise.
        * `risk_ratio`: Observed by predicted share, or its inverse if that is larger.
        * `slice_calibration_gap`: Distance of the predicted from the observed share.
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


def _ratio(observed: float, predicted: float) -> float:
    low, high = sorted((observed, predicted))
    return high / low if low > 0 else float("inf")

"""Quality of a model on groups of people, and which gaps are beyond chance. Pure.

With many groups, some gap is always large by chance. Each figure of `gaps` therefore has a lower bound: with 95 %
confidence, all groups together, the true largest gap is not smaller. It is the first step of Holm's procedure (Holm
1979), which decides alone whether any group is beyond a limit. Standard errors are from a bootstrap of patients.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import norm

from readmission.contract.risk import GroupDoubt
from readmission.evaluation.metrics import Array, Scored, measure, resample

#: Columns whose groups must not be served worse.
COLUMNS = ("race", "gender", "age")
#: Early readmissions below which a group is shown and not judged: with fewer, chance alone moves the observed share by
#: a tenth of itself.
MINIMUM = 100
#: Probability that a bound claims a gap beyond a limit although no group has one.
ALPHA = 0.05
_RESAMPLES = 100
#: A group is doubted from so many early readmissions on: with fewer, its figures are mostly chance.
DOUBT_EVENTS = 50
#: It ranks poorly if its ROC-AUC has less than this share of everybody's distance from chance (0.5).
DOUBT_RANKING = 0.6
#: Its risks are too low or too high beyond this ratio of observed and predicted, as in the gate `fair_risk`.
DOUBT_RATIO = 1.25
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
        judged: Whether the group has enough early readmissions for a gate.
        events: Number of early readmissions.
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
    events: int = 0


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
        minimum: Number of early readmissions below which a group is shown and not judged.

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
        judged=int(part.event.sum()) >= minimum,
        events=int(part.event.sum()),
    )


def _rows_by_level(column: pd.Series) -> Mapping[Any, Array]:
    levels = column.fillna(UNKNOWN)
    positions: Mapping[Any, Array] = levels.groupby(levels).indices
    return positions


def doubts(groups: Sequence[Slice], overall: float) -> list[GroupDoubt]:
    """Return the groups whose estimates a reader should doubt, and why; for people, not for a gate.

    Args:
        groups: What `slices` returns.
        overall: ROC-AUC of everybody.
    """
    doubted = []
    for group in groups:
        if group.events < DOUBT_EVENTS or group.level == UNKNOWN or np.isnan(group.roc_auc):
            continue
        reasons: dict[Literal["ranks poorly", "too low", "too high"], bool] = {
            "ranks poorly": group.roc_auc - 0.5 < DOUBT_RANKING * (overall - 0.5),
            "too low": group.prevalence > DOUBT_RATIO * group.predicted,
            "too high": DOUBT_RATIO * group.prevalence < group.predicted,
        }
        doubted += [
            GroupDoubt(
                column=group.column,
                level=group.level,
                doubt=reason,
                roc_auc=group.roc_auc,
                observed=group.prevalence,
                predicted=group.predicted,
            )
            for reason, holds in reasons.items()
            if holds
        ]
    return doubted


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


def low_bounds(frame: pd.DataFrame, scored: Scored, threshold: float, groups: Sequence[Slice]) -> dict[str, float]:
    """Return lower bounds of the figures of `gaps` at the confidence 1 - ALPHA, all judged groups together.

    Args:
        frame: Columns that define the groups, with the rows of `scored` in the same order.
        scored: Rows with their outcomes and probabilities.
        threshold: Risk at or above which an encounter is alerted, 0 to 1.
        groups: What `slices` returns.

    Returns:
        By the name of the figure with `_low` behind it; no gap where no group is judged.
    """
    if not (judged := [group for group in groups if group.judged]):
        return {f"{name}_low": value for name, value in gaps([], 0.0).items()}
    people = np.array([group.column in ("race", "gender") and group.level != UNKNOWN for group in judged], dtype=bool)
    members = np.stack([(frame[g.column].fillna(UNKNOWN) == g.level).to_numpy() for g in judged]).astype(np.float64)
    above = scored.early >= threshold
    rows = np.stack([scored.event, scored.event & above, scored.early, scored.early * above, np.ones(len(above))])

    def gaps_of(weights: Array) -> Array:
        return _signed_gaps(members @ (rows * weights).T, (rows * weights).sum(axis=1))

    values = gaps_of(np.ones(len(above)))
    spread = np.std([gaps_of(weights) for weights in resample(scored.patients, _RESAMPLES)], axis=0)

    def bound(kind: int, chosen: Array, sides: int) -> float:
        if not chosen.any():
            return 0.0
        size = np.abs(values[kind]) if sides == 2 else values[kind]
        z = norm.isf(ALPHA / (sides * chosen.sum()))
        return float((size - z * spread[kind])[chosen].max())

    every = np.ones(len(judged), dtype=bool)
    return {
        "recall_gap_race_gender_low": bound(0, people, 1),
        "recall_gap_any_low": bound(0, every, 1),
        "recall_below_promise_low": bound(1, every, 1),
        "risk_ratio_low": float(np.exp(max(bound(2, every, 2), 0.0))),
        "slice_calibration_gap_low": bound(3, every, 2),
    }


def _signed_gaps(sums: Array, overall: Array) -> Array:
    """Return recall below everybody's, recall below promise, log of observed by predicted, predicted less observed.

    Args:
        sums: Events, alerted events, risks, alerted risks and rows of each group, shape (groups, 5).
        overall: The same of everybody, shape (5,).

    Returns:
        Shape (4, groups).
    """
    events, hits, risks, alerted, rows = np.maximum(sums, 1e-9).T
    recall = hits / events
    return np.array(
        [overall[1] / overall[0] - recall, alerted / risks - recall, np.log(events / risks), (risks - events) / rows]
    )

"""Show how a model does on groups of people. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from readmission.evaluation import Array, Scored, measure

#: Columns whose groups must not be served worse, and the rows below which a group is shown, not judged.
COLUMNS = ("race", "gender", "age")
MINIMUM = 500


@dataclass(frozen=True)
class Slice:
    """Describe how a model does on one group of people.

    Attributes:
        column, level: the group; level `unknown` gathers missing.
        rows: encounters of the group.
        prevalence, predicted: observed and mean predicted share of readmission within 30 days.
        recall, recall_error: share of its events that are above the threshold, and its standard error (of a
            share estimated with two more events of each kind, so that it is not zero for few).
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
    recall_error: float
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
        groups: Mapping[Any, Array] = frame[column].fillna("unknown").groupby(frame[column].fillna("unknown")).indices
        for level, rows in sorted(groups.items()):
            part = scored.part(rows)
            above = part.early >= threshold
            events = max(int(part.event.sum()), 1)
            hits = int((above & part.event).sum())
            share = (hits + 2) / (events + 4)
            found.append(
                Slice(
                    column, str(level), len(rows), float(part.event.mean()), float(part.early.mean()),
                    hits / events, float(np.sqrt(share * (1 - share) / (events + 4))), float(above.mean()),
                    measure(part)["roc_auc_30"], len(rows) >= minimum,
                )
            )  # fmt: skip
    return found

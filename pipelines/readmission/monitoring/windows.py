"""Windows of rows in which drift must last: disjoint, and each with enough rows to be judged. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from readmission.monitoring.drift import DriftRule

#: Widths of the windows of predictions in days, the newest first. They do not overlap, so that one bad hour cannot
#: confirm itself in two of them.
WIDTHS = (1, 6, 23)
#: Days that the windows of predictions reach back.
SPAN = sum(WIDTHS)


@dataclass(frozen=True)
class DaySpan:
    """Days before now that one window of predictions covers.

    Attributes:
        start: Days ago at which the window ends; 0 is now.
        end: Days ago at which it begins.
    """

    start: int
    end: int

    def __str__(self) -> str:
        if self.start:
            return f"{self.start} to {self.end} days ago"
        return "last day" if self.end == 1 else f"last {self.end} days"


def day_spans(rows: Sequence[int], minimum: int) -> list[DaySpan]:
    """Return the windows of predictions, the newest last.

    A window is as wide as WIDTHS says, or as many days wider as it takes to reach the minimum of rows, so that a small
    hospital is judged too, only later.

    Args:
        rows: Number of predictions of each of the last SPAN days, today first.
        minimum: Number of rows that a window needs to be judged.

    Returns:
        Windows that have rows.
    """
    spans, start = [], 0
    for width in WIDTHS:
        end = min(start + width, SPAN)
        while end < SPAN and sum(rows[start:end]) < minimum:
            end += 1
        if sum(rows[start:end]):
            spans.append(DaySpan(start, end))
        start = end
    return spans[::-1]


def batch_window(frame: pd.DataFrame, batch_id: int, rule: DriftRule) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows to compare with, and those of a batch with as many batches before it as the rule needs.

    A batch that has too few rows to be judged is judged together with the batches before it. Where nothing would be
    left to compare with, the batch stands alone.

    Args:
        frame: Typed frame of the batch and of all before it.
        batch_id: Batch to judge.
        rule: Rule of drift.
    """
    sizes = frame.loc[frame["batch_id"] <= batch_id, "batch_id"].value_counts().sort_index()
    needed = rule.windows * rule.minimum
    enough = sizes.index[sizes[::-1].cumsum()[::-1] >= needed]
    first = int(enough.max()) if len(enough) else batch_id
    if first == sizes.index.min():
        first = batch_id
    within = (frame["batch_id"] >= first) & (frame["batch_id"] <= batch_id)
    return frame[frame["batch_id"] < first], frame[within]


def slices(window: pd.DataFrame, rule: DriftRule, rows: int) -> list[pd.DataFrame]:
    """Cut a window into parts of about `rows` rows, in the encounters' order; at least as many as the rule needs."""
    count = max(rule.windows, len(window) // rows)
    return [window.iloc[positions] for positions in np.array_split(np.arange(len(window)), count)]

"""Figures of live quality on known outcomes: everybody, groups of people, windows of time, single batches.

Most versions have served long ago, and nothing new becomes known of them. The interval of a figure takes 200 resamples,
and `outcomes` runs every day, so a group whose rows are those of the newest measurement keeps its stored intervals.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from readmission import contract
from readmission.evaluation import expected, metrics
from readmission.evaluation.metrics import Interval, Scored
from readmission.settings import Settings
from readmission.stores import postgres

#: Groups of people whose quality is shown by itself.
SLICES = ("race", "gender", "age")
METRICS = (*expected.METRICS, "brier_30", "ece_30", "ece_any")
#: Mean predicted risk, which stands beside the metrics.
PREDICTED = "predicted_30"
#: Fewer known outcomes, or fewer events among them, say nothing.
LEAST_ROWS, LEAST_EVENTS = 100, 10
#: Windows of live quality: outcomes that became due in the last so many days, so that a bad month is seen by itself.
WINDOWS = {"30 days": 30, "90 days": 90}
#: Newest batches of scores that are measured by themselves.
MOST_BATCHES = 20
_RESAMPLES = 200
#: Difference between two figures of the same rows that were added in another order.
_ROUNDING = 1e-12
#: Every run measures every version that has outcomes, so older rows are of none that is measured today.
_NEWEST = """
SELECT q.model_version, q.source, q.slice, q.level, q.metric, q.n, q.positives, q.value, q.low, q.high
FROM monitoring.quality q
JOIN (SELECT model_version, source, max(measured_on) AS measured_on FROM monitoring.quality
  WHERE measured_on > now()::date - 35 GROUP BY 1, 2) newest USING (model_version, source, measured_on)
WHERE q.low IS NOT NULL AND q.high IS NOT NULL
"""


@dataclass(frozen=True, kw_only=True)
class QualityFigure:
    """One figure of live quality.

    Attributes:
        slice, level: The group. Everybody is `all`, `all`.
        metric: A name of `evaluation.measure`, or PREDICTED.
        n, positives: Number of known outcomes, and of readmissions within 30 days among them.
        interval: Value with its bounds.
    """

    slice: str
    level: str
    metric: str
    n: int
    positives: int
    interval: Interval


#: Figures of a group by metric, and those of all groups by slice and level.
Group = dict[str, QualityFigure]
Groups = Mapping[tuple[str, str], Group]
#: Figures by version and source.
Newest = Mapping[tuple[str, str], Groups]


def read_newest(settings: Settings) -> Newest:
    """Return the newest stored figures by version and source."""
    newest: dict[tuple[str, str], dict[tuple[str, str], Group]] = {}
    with postgres.transaction(settings, "monitor") as cursor:
        cursor.execute(_NEWEST)
        for version, source, column, level, metric, n, positives, *bounds in cursor.fetchall():
            figure = QualityFigure(
                slice=column, level=level, metric=metric, n=n, positives=positives, interval=Interval(*bounds)
            )
            newest.setdefault((version, source), {}).setdefault((column, level), {})[metric] = figure
    return newest


def figures(outcomes: pd.DataFrame, seed: int, before: Groups) -> Iterator[QualityFigure]:
    """Measure everybody, then each group with enough rows.

    Args:
        outcomes: Columns p_no, p_late, p_early, patient, outcome, SLICES, days_due (days since the outcome was due) and
            batch (missing for served predictions).
        seed: Seed of the bootstrap of patients.
        before: Figures of an earlier measurement, whose intervals count where the rows are the same.
    """
    outcomes = outcomes.reset_index(drop=True)
    yield from _group(outcomes, "all", "all", seed, before)
    for column in SLICES:
        for level, rows in outcomes.groupby(outcomes[column].fillna("unknown")):
            yield from _group(rows, column, str(level), seed, before)
    for name, days in WINDOWS.items():
        yield from _group(outcomes[outcomes["days_due"].astype(float) <= days], "window", name, seed, before)
    batches = sorted(outcomes["batch"].dropna().unique(), key=int)
    for batch in batches[-MOST_BATCHES:]:
        yield from _group(outcomes[outcomes["batch"] == batch], "batch", batch, seed, before)


def _group(rows: pd.DataFrame, column: str, level: str, seed: int, before: Groups) -> Iterator[QualityFigure]:
    scored = Scored(
        rows["outcome"].map({name: i for i, name in enumerate(contract.CLASSES)}).to_numpy(np.int64),
        rows[["p_no", "p_late", "p_early"]].to_numpy(np.float64),
        rows["patient"].to_numpy(),
    )
    events = int(scored.event.sum())
    if len(rows) < LEAST_ROWS or events < LEAST_EVENTS or events == len(rows):
        return
    measured = metrics.measure(scored)
    values = {name: measured[name] for name in METRICS} | {PREDICTED: float(scored.early.mean())}
    stored = before.get((column, level), {})
    if _are_of(stored, values, len(rows), events):
        yield from stored.values()
        return
    intervals = metrics.intervals(scored, _RESAMPLES, seed)
    for metric, value in values.items():
        interval = Interval(value, value, value) if metric == PREDICTED else intervals[metric]
        yield QualityFigure(slice=column, level=level, metric=metric, n=len(rows), positives=events, interval=interval)


def _are_of(stored: Group, values: Mapping[str, float], n: int, positives: int) -> bool:
    """Return whether stored figures are those of the same rows: every metric has the same value."""
    return stored.keys() == values.keys() and all(
        (figure.n, figure.positives) == (n, positives) and abs(figure.interval.value - values[name]) <= _ROUNDING
        for name, figure in stored.items()
    )

"""Join outcomes to predictions, late and partial as they come: live quality by version, source and slice."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import typer
from psycopg2.extras import execute_values

from readmission import contract, tracing
from readmission.evaluation import expected, metrics
from readmission.evaluation.metrics import Interval, Scored
from readmission.monitoring.traffic import NOT_PATIENTS, OUTCOMES
from readmission.settings import Settings
from readmission.stores import postgres

log = logging.getLogger(__name__)

#: Groups of people whose quality is shown by itself.
SLICES = ("race", "gender", "age")
METRICS = (*expected.METRICS, "brier_30", "ece_30", "ece_any")
#: Fewer known outcomes, or fewer events among them, say nothing.
LEAST_ROWS, LEAST_EVENTS = 100, 10
_RESAMPLES = 200

#: Older predictions say nothing of the model's quality now, and the monthly partitions before it are not read.
SPAN_DAYS = 365
#: Windows of live quality: outcomes that became due in the last so many days, so that a bad month is seen by itself.
WINDOWS = {"30 days": 30, "90 days": 90}
#: Newest batches of scores that are measured by themselves.
MOST_BATCHES = 20

# A served prediction's outcome is what its sender reported or, when the encounter came in with a later batch, what that
# batch says. A prediction that was made after its encounter came in is left out: a model may have learned that outcome.
# Nothing is used before it is due, since early outcomes are all readmissions. Only requests about patients count. Of
# two predictions of an encounter by one version the newest counts.
SERVED = f"""
SELECT DISTINCT ON (p.model_version, coalesce(p.inputs->>'encounter_id', p.prediction_id::text))
  p.model_version, p.p_no, p.p_late, p.p_early, coalesce(p.inputs->>'patient_nbr', p.prediction_id::text) AS patient,
  p.inputs->>'race' AS race, p.inputs->>'gender' AS gender, p.inputs->>'age' AS age,
  CASE WHEN reported.outcome IS NOT NULL THEN 'feedback' WHEN arrived.outcome IS NOT NULL THEN 'encounters' END
    AS source,
  coalesce(reported.outcome, arrived.outcome) AS outcome,
  due.at <= now() AS mature,
  EXISTS (SELECT 1 FROM clean.encounters l WHERE l.patient_nbr = (p.inputs->>'patient_nbr')::bigint
    AND l.encounter_id > (p.inputs->>'encounter_id')::bigint) AS came_back,
  extract(epoch FROM now() - due.at) / 86400.0 AS days_due, NULL AS batch
{OUTCOMES}
WHERE p.model_name = %(model_name)s AND p.request_id NOT LIKE ALL (%(not_patients)s)
  AND p.predicted_at >= now() - %(span)s AND (b.finished IS NULL OR p.predicted_at < b.finished)
ORDER BY p.model_version, coalesce(p.inputs->>'encounter_id', p.prediction_id::text), p.predicted_at DESC
"""  # noqa: S608  # a constant
# Batch scores of encounters that came in after the version's training data, where the outcome is known. Figures of one
# batch are prequential: the champion of the batches before, on one it was not trained on.
SCORED = """
SELECT s.model_version, s.p_no, s.p_late, s.p_early, c.patient_nbr::text AS patient, c.race, c.gender, c.age,
  'scores' AS source, c.readmitted AS outcome, true AS mature, false AS came_back,
  extract(epoch FROM now() - coalesce(c.discharged_at + %(delay)s, c.known_at, s.scored_at)) / 86400.0 AS days_due,
  c.batch_id::text AS batch
FROM serving.scores s JOIN clean.encounters c USING (encounter_id)
JOIN (SELECT p.model_version, max(e.last_batch) AS last_batch FROM training.promotions p
  JOIN training.runs e USING (run_id) WHERE p.model_name = %(model_name)s GROUP BY 1) t USING (model_version)
WHERE s.model_name = %(model_name)s AND c.batch_id > t.last_batch AND c.readmitted IS NOT NULL
  AND s.scored_at >= now() - %(span)s
"""
COLUMNS = (
    "model_version",
    "p_no",
    "p_late",
    "p_early",
    "patient",
    "race",
    "gender",
    "age",
    "source",
    "outcome",
    "mature",
    "came_back",
    "days_due",
    "batch",
)


@dataclass(frozen=True, kw_only=True)
class QualityFigure:
    """One figure of live quality.

    Attributes:
        slice, level: The group. Everybody is `all`, `all`.
        metric: A name of `evaluation.measure`, or predicted_30, the mean predicted risk.
        n, positives: Number of known outcomes, and of readmissions within 30 days among them.
        interval: Value with its bounds, which are NaN if there are too few rows.
    """

    slice: str
    level: str
    metric: str
    n: int
    positives: int
    interval: Interval


def run(settings: Settings) -> list[str]:
    """Measure live quality on every outcome that is known: ROC-AUC, calibration and more, with 95 % intervals.

    Outcomes come from POST /feedback, from encounters that came in with a later batch, and from batch scores of
    encounters that the model was not trained on. A prediction of the last year is judged once
    READMISSION_OUTCOME_DELAY_DAYS have passed; the share of such predictions with a final outcome is the coverage.

    Args:
        settings: Settings with the database.

    Returns:
        What was measured, as "version source"; empty when no outcome is known yet.
    """
    served, scored = _read(settings)
    tracing.count(rows=len(served) + len(scored))
    measured = []
    for version, frame in served.groupby("model_version"):
        mature = frame[frame["mature"]]
        final = mature["outcome"].notna()
        coverage = float(final.mean()) if len(mature) else 0.0
        back = int((frame["outcome"].isna() & frame["came_back"]).sum())
        log.info(
            "version %s: %s predictions, %s old enough, %s of them with an outcome; %s patients more came back at a "
            "time that is not known",
            version,
            len(frame),
            len(mature),
            int(final.sum()),
            back,
        )
        for source, part in mature[final].groupby("source"):
            measured += _measure(settings, str(version), str(source), part, coverage)
    for version, frame in scored.groupby("model_version"):
        measured += _measure(settings, str(version), "scores", frame, 1.0)
    return measured


def _read(settings: Settings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the served predictions and the batch scores, with their outcomes as far as they are known."""
    with postgres.transaction(settings, "monitor") as cursor:
        arguments = {
            "model_name": settings.mlflow.model_name,
            "delay": timedelta(days=settings.monitoring.outcome_delay_days),
            "span": timedelta(days=SPAN_DAYS),
            "not_patients": list(NOT_PATIENTS),
        }
        cursor.execute(SERVED, arguments)
        served = pd.DataFrame(cursor.fetchall(), columns=COLUMNS)
        cursor.execute(SCORED, arguments)
        return served, pd.DataFrame(cursor.fetchall(), columns=COLUMNS)


def _measure(settings: Settings, version: str, source: str, outcomes: pd.DataFrame, coverage: float) -> list[str]:
    events = int((outcomes["outcome"] == contract.CLASSES[contract.EARLY]).sum())
    if len(outcomes) < LEAST_ROWS or events < LEAST_EVENTS:
        log.info(
            "version %s, %s: %s outcomes with %s events are too few to judge", version, source, len(outcomes), events
        )
        return []
    measured = list(figures(outcomes, settings.seed))
    _keep(settings, version, source, coverage, measured)
    by_metric = {figure.metric: figure.interval for figure in measured if figure.slice == "all"}
    typer.echo(
        f"version {version}, {source}: {len(outcomes)} outcomes (coverage {coverage:.0%}), "
        f"ROC-AUC {by_metric['roc_auc_30']}, calibration error {by_metric['ece_30']}, "
        f"predicted {by_metric['predicted_30'].value:.4f}, observed {by_metric['prevalence_30'].value:.4f}"
    )
    return [f"{version} {source}"]


def figures(outcomes: pd.DataFrame, seed: int) -> Iterator[QualityFigure]:
    """Measure everybody, then each group with enough rows.

    Args:
        outcomes: Columns p_no, p_late, p_early, patient, outcome, SLICES, days_due (days since the outcome was due) and
            batch (missing for served predictions).
        seed: Seed of the bootstrap of patients.
    """
    outcomes = outcomes.reset_index(drop=True)
    yield from _group(outcomes, "all", "all", seed)
    for column in SLICES:
        for level, rows in outcomes.groupby(outcomes[column].fillna("unknown")):
            yield from _group(rows, column, str(level), seed)
    for name, days in WINDOWS.items():
        yield from _group(outcomes[outcomes["days_due"].astype(float) <= days], "window", name, seed)
    batches = sorted(outcomes["batch"].dropna().unique(), key=int)
    for batch in batches[-MOST_BATCHES:]:
        yield from _group(outcomes[outcomes["batch"] == batch], "batch", batch, seed)


def _group(rows: pd.DataFrame, column: str, level: str, seed: int) -> Iterator[QualityFigure]:
    scored = Scored(
        rows["outcome"].map({name: i for i, name in enumerate(contract.CLASSES)}).to_numpy(np.int64),
        rows[["p_no", "p_late", "p_early"]].to_numpy(np.float64),
        rows["patient"].to_numpy(),
    )
    events = int(scored.event.sum())
    if len(rows) < LEAST_ROWS or events < LEAST_EVENTS or events == len(rows):
        return
    mean = float(scored.early.mean())
    intervals: dict[str, Interval] = metrics.intervals(scored, _RESAMPLES, seed)
    intervals = {name: intervals[name] for name in METRICS} | {"predicted_30": Interval(mean, mean, mean)}
    for metric, interval in intervals.items():
        yield QualityFigure(slice=column, level=level, metric=metric, n=len(rows), positives=events, interval=interval)


def _keep(settings: Settings, version: str, source: str, coverage: float, measured: list[QualityFigure]) -> None:
    rows: list[tuple[Any, ...]] = [
        (
            version,
            source,
            f.slice,
            f.level,
            f.metric,
            f.n,
            f.positives,
            coverage,
            f.interval.value,
            f.interval.low,
            f.interval.high,
        )
        for f in measured
    ]
    with postgres.transaction(settings, "monitor") as cursor:
        cursor.execute(
            "DELETE FROM monitoring.quality WHERE measured_on = now()::date AND (model_version, source) = %(key)s",
            {"key": (version, source)},
        )
        execute_values(
            cursor,
            "INSERT INTO monitoring.quality (measured_on, model_version, source, slice, level, metric, n, positives,"
            " coverage, value, low, high) VALUES %s",
            rows,
            template=f"(now()::date, {', '.join(['%s'] * 11)})",
        )

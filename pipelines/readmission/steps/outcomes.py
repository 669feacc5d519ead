"""Join outcomes to predictions, late and partial as they come: live quality by version, source and slice."""

import logging
from datetime import timedelta
from typing import Any

import pandas as pd
import typer
from psycopg2.extras import execute_values

from readmission import contract, tracing
from readmission.monitoring import live_quality
from readmission.monitoring.live_quality import LEAST_EVENTS, LEAST_ROWS, Newest, QualityFigure
from readmission.monitoring.traffic import NOT_PATIENTS, OUTCOMES
from readmission.settings import Settings
from readmission.stores import postgres

log = logging.getLogger(__name__)

#: Older predictions say nothing of the model's quality now, and the monthly partitions before it are not read.
SPAN_DAYS = 365

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
  CASE WHEN reported.outcome IS NULL AND arrived.outcome IS NULL THEN EXISTS (SELECT 1 FROM clean.encounters l
    WHERE l.patient_nbr = (p.inputs->>'patient_nbr')::bigint
    AND l.encounter_id > (p.inputs->>'encounter_id')::bigint) ELSE false END AS came_back,
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
ORDER BY s.model_version, c.encounter_id
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
    before = live_quality.read_newest(settings)
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
            measured += _measure(settings, str(version), str(source), part, coverage, before)
    for version, frame in scored.groupby("model_version"):
        measured += _measure(settings, str(version), "scores", frame, 1.0, before)
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


def _measure(
    settings: Settings, version: str, source: str, outcomes: pd.DataFrame, coverage: float, before: Newest
) -> list[str]:
    events = int((outcomes["outcome"] == contract.CLASSES[contract.EARLY]).sum())
    if len(outcomes) < LEAST_ROWS or events < LEAST_EVENTS:
        log.info(
            "version %s, %s: %s outcomes with %s events are too few to judge", version, source, len(outcomes), events
        )
        return []
    measured = list(live_quality.figures(outcomes, settings.seed, before.get((version, source), {})))
    _keep(settings, version, source, coverage, measured)
    by_metric = {figure.metric: figure.interval for figure in measured if figure.slice == "all"}
    typer.echo(
        f"version {version}, {source}: {len(outcomes)} outcomes (coverage {coverage:.0%}), "
        f"ROC-AUC {by_metric['roc_auc_30']}, calibration error {by_metric['ece_30']}, "
        f"predicted {by_metric['predicted_30'].value:.4f}, observed {by_metric['prevalence_30'].value:.4f}"
    )
    return [f"{version} {source}"]


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

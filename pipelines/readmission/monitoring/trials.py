"""Answers of champion and challenger to the same weeks of encounters, with the outcomes that are known."""

from datetime import timedelta

import pandas as pd

from readmission.monitoring.traffic import NOT_PATIENTS, OUTCOMES
from readmission.settings import Settings
from readmission.stores import postgres

# One row an encounter, in the order in which its outcome became known. A shadow answers what the champion answers, so
# both risks stand in one row; of a canary one is missing. What was answered before the challenger's first answer is
# left out: other weeks have other patients. Outcomes count once they are due.
_ANSWERS = f"""
WITH began AS (
  SELECT min(predicted_at) AS at FROM serving.predictions
  WHERE model_name = %(model_name)s AND model_version = %(challenger)s AND variant <> 'champion'
    AND predicted_at >= now() - %(span)s)
SELECT min(coalesce(p.inputs->>'patient_nbr', p.request_id)) AS patient,
  bool_or(coalesce(reported.outcome, arrived.outcome) = '<30') AS event,
  (array_agg(p.p_early ORDER BY p.predicted_at DESC) FILTER (WHERE p.model_version = %(champion)s))[1] AS champion,
  (array_agg(p.p_early ORDER BY p.predicted_at DESC) FILTER (WHERE p.model_version = %(challenger)s))[1] AS challenger
{OUTCOMES}
WHERE p.model_name = %(model_name)s AND p.model_version IN (%(champion)s, %(challenger)s)
  AND p.request_id NOT LIKE ALL (%(not_patients)s) AND p.predicted_at >= (SELECT at FROM began)
  AND (b.finished IS NULL OR p.predicted_at < b.finished) AND due.at <= now()
GROUP BY coalesce(p.inputs->>'encounter_id', p.request_id)
HAVING bool_or(coalesce(reported.outcome, arrived.outcome) = '<30') IS NOT NULL
ORDER BY greatest(max(due.at), min(coalesce(f.received_at, e.known_at, b.finished)))
"""  # noqa: S608  # a constant
#: Days of predictions that are read.
_SPAN_DAYS = 365


def read_answers(settings: Settings, champion: str, challenger: str) -> pd.DataFrame:
    """Return the answers whose outcome is known, as `evaluation.sequential.compare` takes them.

    Args:
        settings: Database, registered model and delay of outcomes.
        champion: Version that serves.
        challenger: Version of the canary or shadow.
    """
    arguments = {
        "model_name": settings.mlflow.model_name,
        "champion": champion,
        "challenger": challenger,
        "delay": timedelta(days=settings.monitoring.outcome_delay_days),
        "span": timedelta(days=_SPAN_DAYS),
        "not_patients": list(NOT_PATIENTS),
    }
    with postgres.transaction(settings, "monitor") as cursor:
        cursor.execute(_ANSWERS, arguments)
        rows = pd.DataFrame(cursor.fetchall(), columns=["patient", "event", "champion", "challenger"])
    return rows.astype({"event": bool, "champion": "float64", "challenger": "float64"})

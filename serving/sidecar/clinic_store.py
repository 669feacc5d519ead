"""What record systems, clinicians and the follow-up team say of predictions, in the database."""

from collections.abc import Sequence
from typing import Any

import msgspec
from psycopg2 import extras

from serving.clinic.events import CardFeedback, Event
from serving.prediction_log.entries import Entry

_DISCHARGE = """
INSERT INTO serving.discharges (prediction_id, source, patient, stay, discharged_on, columns) VALUES %s
ON CONFLICT DO NOTHING"""
_CARD = """
INSERT INTO serving.card_feedback (prediction_id, outcome, reason, comment, acted_at, received_at)
VALUES (%(prediction_id)s, %(outcome)s, %(reason)s, %(comment)s, %(acted_at)s, %(received_at)s)
ON CONFLICT DO NOTHING"""
_FOLLOW_UP = """
INSERT INTO serving.follow_ups (prediction_id, action, noted_at, received_at)
VALUES (%(prediction_id)s, %(action)s, %(noted_at)s, %(received_at)s)
ON CONFLICT DO NOTHING"""
#: The newest prediction of each stay that ended today or yesterday, by risk, with the last follow-up.
_WORKLIST = """
SELECT * FROM (
  SELECT DISTINCT ON (coalesce(d.stay, p.inputs->>'encounter_id'))
    p.prediction_id::text, coalesce(d.patient, p.inputs->>'patient_nbr', '') AS patient,
    coalesce(d.stay, p.inputs->>'encounter_id') AS stay,
    coalesce(d.discharged_on, p.predicted_at::date) AS discharged_on, p.p_early::float8 AS risk,
    p.model_version, f.action, f.noted_at, p.model_name
  FROM serving.predictions p
  LEFT JOIN serving.discharges d ON d.prediction_id = p.prediction_id
  LEFT JOIN LATERAL (
    SELECT action, noted_at FROM serving.follow_ups f WHERE f.prediction_id = p.prediction_id
    ORDER BY noted_at DESC LIMIT 1
  ) f ON true
  WHERE p.predicted_at >= %(since)s AND p.variant <> 'shadow'
    AND CASE WHEN d.source IS NULL THEN p.inputs ? 'encounter_id' ELSE d.source <> 'patient-view' END
  ORDER BY coalesce(d.stay, p.inputs->>'encounter_id'), p.predicted_at DESC
) newest
WHERE discharged_on >= %(since)s::date
ORDER BY risk DESC LIMIT %(most)s"""


def add_discharges(cursor: Any, entries: Sequence[Entry]) -> None:
    """Store what record systems say of predictions."""
    rows = [
        (
            entry.prediction_id,
            d.source,
            d.patient,
            d.stay,
            d.discharged_on or None,
            msgspec.json.encode(d.columns).decode(),
        )
        for entry in entries
        if (d := entry.discharge) is not None
    ]
    if rows:
        extras.execute_values(cursor, _DISCHARGE, rows, template="(%s::uuid, %s, %s, %s, %s::date, %s::jsonb)")


def add_events(cursor: Any, events: Sequence[Event]) -> None:
    """Store events; the same one again changes nothing."""
    for event in events:
        cursor.execute(_CARD if isinstance(event, CardFeedback) else _FOLLOW_UP, msgspec.structs.asdict(event))


def read_worklist(cursor: Any, since: Any, most: int) -> list[tuple[Any, ...]]:
    """Return the discharges since a moment, the highest risk first.

    Returns:
        Id, patient, stay, day, risk, version, last follow-up, its moment, and name of the model of each.
    """
    cursor.execute(_WORKLIST, {"since": since, "most": most})
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows

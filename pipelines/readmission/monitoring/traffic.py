"""Which logged predictions are about patients.

A caller marks the others by the prefix of its `x-request-id`: health probes, load tests and the demo page do so. A
client that uses such a prefix for patients hides them from monitoring; docs/monitoring.md says so.
"""

#: Patterns of the request ids of everything that is not about a patient, for SQL: `request_id NOT LIKE ALL (...)`.
NOT_PATIENTS = ("probe-%", "load-%", "demo-%")

#: The FROM of every query that joins predictions `p` to their outcomes: `reported` by their sender, or `arrived` with a
#: later batch. An outcome is `due` when %(delay)s has passed since the discharge, or the prediction where that is not
#: known. "<30" counts at once, anything else only if observed when it was due.
OUTCOMES = """FROM serving.predictions p
LEFT JOIN serving.feedback f USING (prediction_id)
LEFT JOIN clean.encounters e ON e.encounter_id = (p.inputs->>'encounter_id')::bigint
LEFT JOIN raw.batches b USING (batch_id)
CROSS JOIN LATERAL (SELECT coalesce(e.discharged_at, p.predicted_at) + %(delay)s AS at) due
CROSS JOIN LATERAL (SELECT CASE WHEN f.outcome = '<30' OR f.observed_at >= due.at
  THEN f.outcome END AS outcome) reported
CROSS JOIN LATERAL (SELECT CASE WHEN e.readmitted = '<30' OR coalesce(e.known_at, b.finished) >= due.at
  THEN e.readmitted END AS outcome) arrived"""

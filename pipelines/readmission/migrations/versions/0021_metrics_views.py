"""Let the exporter see figures alone: a schema of views for its role, without a row or a column of a patient."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# A view runs with its owner's rights: the exporter reads what the view gives and no table.
VIEWS = """
CREATE SCHEMA metrics;
COMMENT ON SCHEMA metrics IS 'what the exporter may read: figures of batches, models and steps; nothing of a patient';
CREATE VIEW metrics.batches AS
  SELECT batch_id, rows_read, accepted, quarantined, duplicate, started, finished FROM raw.batches;
CREATE VIEW metrics.snapshots AS SELECT batch_id, rows, immature, finished FROM clean.snapshots;
CREATE VIEW metrics.clean_rows AS SELECT split, count(*) AS rows FROM clean.encounters GROUP BY split;
CREATE VIEW metrics.quarantine_reasons AS
  SELECT CASE WHEN r ->> 'field' = '' THEN 'row' ELSE r ->> 'field' END AS field,
    left(r ->> 'problem', 20) AS problem, count(*) AS problems
  FROM raw.quarantine q, jsonb_array_elements(q.reasons) r
  WHERE q.batch_id = (SELECT max(batch_id) FROM raw.batches) GROUP BY 1, 2;
COMMENT ON VIEW metrics.quarantine_reasons IS 'of the newest batch';
CREATE VIEW metrics.promotions AS
  SELECT id, decision, model_name, model_version, run_id, family, reasons, decided_at FROM training.promotions;
CREATE VIEW metrics.runs AS SELECT run_id, family, last_batch, metrics FROM training.runs;
CREATE VIEW metrics.card_feedback AS
  SELECT model_version, outcome, reason, cards, last_at FROM monitoring.card_feedback;
CREATE VIEW metrics.drift_reports AS
  SELECT report_id, subject, batch_id, judged, alarm, measured_at FROM monitoring.drift_reports;
CREATE VIEW metrics.drift AS
  SELECT report_id, window_name, window_rows, column_name, administrative, drifted, psi, missing_now, absent_now
  FROM monitoring.drift;
CREATE VIEW metrics.quality AS
  SELECT measured_on, model_version, source, slice, level, metric, n, coverage, value, low, high
  FROM monitoring.quality;
CREATE VIEW metrics.expected_quality AS
  SELECT measured_on, model_version, source, metric, value, low, high FROM monitoring.expected_quality;
CREATE VIEW metrics.decisions AS SELECT id, retrain, nothing_new FROM monitoring.decisions;
CREATE VIEW metrics.step_runs AS SELECT step, started, finished, result FROM monitoring.step_runs;
CREATE VIEW metrics.purges AS SELECT id, place, keep_days, dropped, purged_at FROM privacy.purges;
CREATE VIEW metrics.oldest_scores AS
  SELECT model_name, model_version, min(scored_at) AS moment FROM serving.scores GROUP BY 1, 2;
CREATE VIEW metrics.oldest_entries AS
  SELECT 'serving.predictions' AS place, min(predicted_at) AS moment FROM serving.predictions
  UNION ALL SELECT 'serving.feedback', min(received_at) FROM serving.feedback
  UNION ALL SELECT 'serving.card_feedback', min(received_at) FROM serving.card_feedback
  UNION ALL SELECT 'serving.follow_ups', min(received_at) FROM serving.follow_ups
  UNION ALL SELECT 'serving.discharges', min(received_at) FROM serving.discharges
  UNION ALL SELECT 'raw.quarantine', min(quarantined_at) FROM raw.quarantine WHERE content <> '{}'
  UNION ALL SELECT 'raw.corrections', min(b.finished)
    FROM raw.batches b JOIN raw.corrections r USING (batch_id) WHERE r.content <> '{}'
  UNION ALL SELECT 'raw.encounters', min(c.finished) FROM clean.batches c
    WHERE EXISTS (SELECT FROM raw.encounters r WHERE r.batch_id = c.batch_id AND r.age <> '')
  UNION ALL SELECT 'privacy.accesses', min(accessed_at) FROM privacy.accesses
  UNION ALL SELECT 'monitoring.drift_reports', min(measured_at) FROM monitoring.drift_reports;
COMMENT ON VIEW metrics.oldest_entries IS 'by the rule of purge, of each place with a retention but serving.scores';
GRANT USAGE ON SCHEMA metrics TO readmission_exporter, readmission_monitor;
GRANT SELECT ON ALL TABLES IN SCHEMA metrics TO readmission_exporter, readmission_monitor;
"""


def upgrade() -> None:
    """Add the views and the grants."""
    op.execute(VIEWS)


def downgrade() -> None:
    """Refuse: there is no way back but a backup."""
    raise NotImplementedError("migrations go forward only; restore a backup to go back")

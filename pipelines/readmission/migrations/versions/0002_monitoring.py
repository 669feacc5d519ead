"""Create the schema monitoring: what each step did, drift, live quality, decisions to retrain."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = """
CREATE SCHEMA monitoring;
CREATE TABLE monitoring.step_runs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  step text NOT NULL,
  started timestamptz NOT NULL,
  finished timestamptz NOT NULL DEFAULT now(),
  result text NOT NULL CHECK (result IN ('success', 'nothing to do', 'failure')),
  CHECK (started <= finished)
);
CREATE INDEX ON monitoring.step_runs (step, finished);
CREATE TABLE monitoring.drift_reports (
  report_id text PRIMARY KEY,
  subject text NOT NULL CHECK (subject IN ('batch', 'predictions')),
  batch_id integer,
  reference text NOT NULL,
  model_version text,
  rows integer NOT NULL,
  judged boolean NOT NULL,
  alarm text[] NOT NULL,
  rule jsonb NOT NULL,
  report text NOT NULL,
  measured_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON monitoring.drift_reports (measured_at);
CREATE TABLE monitoring.drift (
  report_id text NOT NULL REFERENCES monitoring.drift_reports ON DELETE CASCADE,
  window_name text NOT NULL,
  window_rows integer NOT NULL,
  column_name text NOT NULL,
  administrative boolean NOT NULL,
  drifted boolean NOT NULL,
  psi real NOT NULL,
  psi_low real NOT NULL,
  psi_high real NOT NULL,
  psi_noise real NOT NULL,
  jensen_shannon real NOT NULL,
  wasserstein real,
  missing_before real NOT NULL,
  missing_now real NOT NULL,
  PRIMARY KEY (report_id, window_name, column_name)
);
COMMENT ON COLUMN monitoring.drift_reports.judged IS 'false: fewer rows than the rule asks for';
COMMENT ON COLUMN monitoring.drift_reports.alarm IS 'columns that make the alarm; empty: none';
COMMENT ON COLUMN monitoring.drift_reports.report IS 'key of the HTML report in the object store';
COMMENT ON COLUMN monitoring.drift.wasserstein IS 'in standard deviations of the reference; ordered columns only';
CREATE TABLE monitoring.quality (
  measured_on date NOT NULL,
  model_version text NOT NULL,
  source text NOT NULL CHECK (source IN ('feedback', 'encounters', 'scores')),
  slice text NOT NULL,
  level text NOT NULL,
  metric text NOT NULL,
  n integer NOT NULL,
  positives integer NOT NULL,
  coverage real NOT NULL,
  value double precision NOT NULL,
  low double precision,
  high double precision,
  measured_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (measured_on, model_version, source, slice, level, metric)
);
COMMENT ON COLUMN monitoring.quality.slice IS 'race, gender or age; all: every encounter';
COMMENT ON COLUMN monitoring.quality.coverage IS 'share of the mature predictions whose outcome is known';
CREATE TABLE monitoring.decisions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  retrain boolean NOT NULL,
  reason text NOT NULL,
  figures jsonb NOT NULL,
  decided_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE monitoring.decisions IS 'whether to retrain, and why or why not';
"""

GRANTS = """
GRANT USAGE ON SCHEMA monitoring TO
  readmission_ingest, readmission_process, readmission_train, readmission_score, readmission_monitor;
GRANT INSERT ON monitoring.step_runs TO
  readmission_ingest, readmission_process, readmission_train, readmission_score;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA monitoring TO readmission_monitor;
"""


def upgrade() -> None:
    """Create schema, tables and grants."""
    op.execute(TABLES)
    op.execute(GRANTS)

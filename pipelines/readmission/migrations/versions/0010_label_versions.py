"""Keep each version of an encounter, and each revision of a clean batch; an outcome may be unknown.

Later versions of an encounter stand beside raw.encounters, which holds the first one, and later snapshots of a batch
beside clean.batches. The code of the version before reads only the first ones.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

RAW = """
ALTER TABLE raw.batches ADD COLUMN corrected integer NOT NULL DEFAULT 0, ADD COLUMN known_through timestamptz,
  ADD COLUMN content_sha256 text;
COMMENT ON COLUMN raw.batches.corrected IS 'accepted rows that are later versions of earlier encounters';
COMMENT ON COLUMN raw.batches.content_sha256 IS 'of the batch itself, where the source announces it';
COMMENT ON COLUMN raw.batches.known_through IS 'newest known_at of the batch; null: when it was ingested';
ALTER TABLE raw.encounters ADD COLUMN discharged_at timestamptz, ADD COLUMN known_at timestamptz;
COMMENT ON COLUMN raw.encounters.known_at IS 'when this version was known; null: when it was ingested';
CREATE TABLE raw.corrections (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  encounter_id bigint NOT NULL REFERENCES raw.encounters,
  batch_id integer NOT NULL REFERENCES raw.batches DEFERRABLE INITIALLY DEFERRED,
  content jsonb NOT NULL,
  content_hash text NOT NULL,
  discharged_at timestamptz,
  known_at timestamptz NOT NULL
);
CREATE INDEX ON raw.corrections (encounter_id, known_at, id);
CREATE INDEX ON raw.corrections (batch_id);
COMMENT ON TABLE raw.corrections IS 'later versions of encounters; of all versions the one known last counts';
GRANT SELECT, INSERT ON raw.corrections TO readmission_ingest;
GRANT SELECT ON raw.corrections TO readmission_process, readmission_monitor;
GRANT SELECT, DELETE, UPDATE (content) ON raw.corrections TO readmission_privacy;
"""

CLEAN = """
ALTER TABLE clean.encounters ALTER COLUMN readmitted DROP NOT NULL;
ALTER TABLE clean.encounters ADD COLUMN discharged_at timestamptz, ADD COLUMN arrived_at timestamptz,
  ADD COLUMN known_at timestamptz;
COMMENT ON COLUMN clean.encounters.readmitted IS 'null: the outcome is unknown, or cannot be known yet';
COMMENT ON COLUMN clean.encounters.arrived_at IS 'when the first version was known; null: there is no discharge date';
COMMENT ON COLUMN clean.encounters.known_at IS 'when the version that counts was known; null: with its batch';
GRANT DELETE ON clean.encounters TO readmission_process;
ALTER TABLE clean.batches ADD COLUMN immature integer NOT NULL DEFAULT 0, ADD COLUMN through_batch integer;
COMMENT ON COLUMN clean.batches.immature IS 'rows whose outcome is unknown or cannot be known yet';
COMMENT ON COLUMN clean.batches.through_batch IS 'last raw batch whose corrections it holds; null: its own';
CREATE TABLE clean.revisions (
  batch_id integer NOT NULL REFERENCES clean.batches,
  revision integer NOT NULL,
  rows integer NOT NULL,
  excluded integer NOT NULL,
  immature integer NOT NULL,
  through_batch integer NOT NULL,
  snapshot text NOT NULL,
  snapshot_sha256 text NOT NULL,
  finished timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (batch_id, revision)
);
COMMENT ON TABLE clean.revisions IS 'later snapshots of a batch: outcomes matured or rows were corrected';
CREATE VIEW clean.snapshots AS
SELECT DISTINCT ON (batch_id) * FROM (
  SELECT batch_id, 0 AS revision, rows, excluded, immature, coalesce(through_batch, batch_id) AS through_batch,
    snapshot, snapshot_sha256, finished FROM clean.batches
  UNION ALL
  SELECT batch_id, revision, rows, excluded, immature, through_batch, snapshot, snapshot_sha256, finished
  FROM clean.revisions
) s ORDER BY batch_id, revision DESC;
COMMENT ON VIEW clean.snapshots IS 'the newest snapshot of each batch';
GRANT SELECT, INSERT ON clean.revisions TO readmission_process;
GRANT SELECT ON clean.revisions TO readmission_train, readmission_score, readmission_monitor;
GRANT SELECT ON clean.snapshots TO
  readmission_process, readmission_train, readmission_score, readmission_monitor, readmission_privacy;
GRANT SELECT, UPDATE (rows, snapshot, snapshot_sha256) ON clean.revisions TO readmission_privacy;
"""


def upgrade() -> None:
    """Add the tables, the columns and the view."""
    op.execute(RAW)
    op.execute(CLEAN)


def downgrade() -> None:
    """Refuse: there is no way back but a backup."""
    raise NotImplementedError("migrations go forward only; restore a backup to go back")

"""Keep every training run, with the code, the libraries and the image that made it.

The table training.experiments holds one run for each family, data, seed and code, and a training that is repeated
replaces it; whoever joined the champion's run then found nothing. It stays as it is for the code of the version before,
and a trigger copies what that code writes.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

RUNS = """
CREATE TABLE training.runs (
  run_id text PRIMARY KEY,
  family text NOT NULL,
  first_batch integer NOT NULL,
  last_batch integer NOT NULL,
  data_sha256 text NOT NULL,
  synthetic boolean NOT NULL,
  icd text NOT NULL DEFAULT '9cm',
  seed integer NOT NULL,
  code text NOT NULL,
  revision text,
  packages text,
  image text,
  metrics jsonb NOT NULL,
  trained_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON training.runs (data_sha256);
COMMENT ON TABLE training.runs IS 'every trained model; rows are added and never changed';
COMMENT ON COLUMN training.runs.code IS 'version and digest of the package';
COMMENT ON COLUMN training.runs.revision IS 'commit of the source code, where it was known';
GRANT SELECT, INSERT ON training.runs TO readmission_train;
GRANT SELECT ON training.runs TO readmission_monitor, readmission_privacy;
INSERT INTO training.runs
  (run_id, family, first_batch, last_batch, data_sha256, synthetic, icd, seed, code, metrics, trained_at)
SELECT run_id, family, first_batch, last_batch, data_sha256, synthetic, icd, seed, git_sha, metrics, trained_at
FROM training.experiments;
"""

TRIGGER = """
CREATE FUNCTION training.keep_run() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO training.runs
    (run_id, family, first_batch, last_batch, data_sha256, synthetic, icd, seed, code, metrics, trained_at)
  VALUES (NEW.run_id, NEW.family, NEW.first_batch, NEW.last_batch, NEW.data_sha256, NEW.synthetic, NEW.icd, NEW.seed,
    NEW.git_sha, NEW.metrics, NEW.trained_at)
  ON CONFLICT (run_id) DO NOTHING;
  RETURN NULL;
END $$;
CREATE TRIGGER keep_run AFTER INSERT OR UPDATE ON training.experiments
FOR EACH ROW EXECUTE FUNCTION training.keep_run();
"""


def upgrade() -> None:
    """Add the table with the runs so far, and the trigger."""
    op.execute(RUNS)
    op.execute(TRIGGER)


def downgrade() -> None:
    """Refuse: there is no way back but a backup."""
    raise NotImplementedError("migrations go forward only; restore a backup to go back")

"""Create the table of the quality that predicted risks promise before outcomes are known."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE monitoring.expected_quality (
  measured_on date NOT NULL,
  model_version text NOT NULL,
  source text NOT NULL,
  metric text NOT NULL,
  n integer NOT NULL,
  value double precision NOT NULL,
  low double precision NOT NULL,
  high double precision NOT NULL,
  measured_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (measured_on, model_version, source, metric)
);
COMMENT ON TABLE monitoring.expected_quality IS 'quality that calibrated risks promise, before outcomes are known';
COMMENT ON COLUMN monitoring.expected_quality.low IS 'the realised figure lies above it in 97.5 % of the cases';
GRANT SELECT, INSERT, UPDATE, DELETE ON monitoring.expected_quality TO readmission_monitor;
"""


def upgrade() -> None:
    """Create the table; earlier code does not read it."""
    op.execute(TABLE)


def downgrade() -> None:
    """Refuse: there is no way back but a backup."""
    raise NotImplementedError("migrations go forward only; restore a backup to go back")

"""Write down each decision on the champion before it is carried out, so that a killed process leaves a trace."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE training.intents (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  decision text NOT NULL CHECK (decision IN ('promoted', 'rolled back')),
  model_name text NOT NULL,
  model_version text NOT NULL,
  replaced_version text,
  run_id text,
  family text,
  reasons jsonb NOT NULL,
  decided_by text NOT NULL,
  intended_at timestamptz NOT NULL DEFAULT now(),
  settled_at timestamptz
);
COMMENT ON TABLE training.intents IS 'decisions about to be carried out; those that were stand in training.promotions';
COMMENT ON COLUMN training.intents.settled_at IS 'when it was carried out or found not to be; NULL: a process is at it';
GRANT SELECT, INSERT, UPDATE (settled_at) ON training.intents TO readmission_train;
GRANT SELECT ON training.intents TO readmission_monitor;
"""


def upgrade() -> None:
    """Add the table."""
    op.execute(TABLE)


def downgrade() -> None:
    """Refuse: there is no way back but a backup."""
    raise NotImplementedError("migrations go forward only; restore a backup to go back")

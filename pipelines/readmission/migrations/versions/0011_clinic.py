"""Keep what record systems say of a prediction, what clinicians did with its card, and what the follow-up team did."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE serving.discharges (
  prediction_id uuid PRIMARY KEY,
  source text NOT NULL,
  patient text NOT NULL,
  stay text NOT NULL,
  discharged_on date,
  columns jsonb NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE serving.discharges IS 'what a record system says of a prediction: FHIR references, day, sources';
CREATE TABLE serving.card_feedback (
  prediction_id uuid NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('accepted', 'overridden')),
  reason text NOT NULL,
  comment text NOT NULL,
  acted_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  PRIMARY KEY (prediction_id, outcome, acted_at)
);
COMMENT ON TABLE serving.card_feedback IS 'what a clinician did with a card; never an outcome of the patient';
CREATE TABLE serving.follow_ups (
  prediction_id uuid NOT NULL,
  action text NOT NULL CHECK (action IN ('called', 'visit booked', 'not reached')),
  noted_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  PRIMARY KEY (prediction_id, action, noted_at)
);
GRANT SELECT, INSERT ON serving.discharges, serving.card_feedback, serving.follow_ups TO readmission_serving;
GRANT SELECT ON serving.discharges, serving.card_feedback, serving.follow_ups TO readmission_monitor;
"""


def upgrade() -> None:
    """Add the three tables."""
    op.execute(TABLES)


def downgrade() -> None:
    """Refuse: there is no way back but a backup."""
    raise NotImplementedError("migrations go forward only; restore a backup to go back")

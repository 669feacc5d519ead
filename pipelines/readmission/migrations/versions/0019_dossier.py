"""Let the judge of a candidate read how versions do in use, and what clinicians did with their cards, as counts."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# A view runs with its owner's rights: whoever reads it sees counts and no prediction.
DOSSIER = """
CREATE VIEW monitoring.card_feedback AS
  SELECT p.model_version, f.outcome, f.reason, count(*) AS cards, max(f.acted_at) AS last_at
  FROM serving.card_feedback f JOIN serving.predictions p USING (prediction_id)
  WHERE NOT p.request_id LIKE ANY (ARRAY['probe-%', 'load-%', 'demo-%'])
  GROUP BY p.model_version, f.outcome, f.reason;
COMMENT ON VIEW monitoring.card_feedback IS 'how many cards clinicians accepted or overrode; never an outcome';
GRANT SELECT ON monitoring.card_feedback TO readmission_monitor, readmission_train;
GRANT SELECT ON monitoring.quality TO readmission_train;
"""


def upgrade() -> None:
    """Add the view and the grants."""
    op.execute(DOSSIER)


def downgrade() -> None:
    """Refuse: there is no way back but a backup."""
    raise NotImplementedError("migrations go forward only; restore a backup to go back")

"""Let erasure and retention reach what record systems, clinicians and the follow-up team said."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Grant what the role `privacy` may do with the other tables of patients."""
    op.execute(
        "GRANT SELECT, DELETE ON serving.discharges, serving.card_feedback, serving.follow_ups TO readmission_privacy"
    )


def downgrade() -> None:
    """Refuse: there is no way back but a backup."""
    raise NotImplementedError("migrations go forward only; restore a backup to go back")

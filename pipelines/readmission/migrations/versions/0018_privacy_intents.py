"""Let erasure find compiled models whose promotion was cut off."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Grant the role `privacy` what it reads."""
    op.execute("GRANT SELECT ON training.intents TO readmission_privacy")


def downgrade() -> None:
    """Refuse: there is no way back but a backup."""
    raise NotImplementedError("migrations go forward only; restore a backup to go back")

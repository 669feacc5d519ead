"""Mark the decisions that asked for a retraining from which nothing new can be learned."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.execute("ALTER TABLE monitoring.decisions ADD COLUMN nothing_new boolean NOT NULL DEFAULT false")
    op.execute(
        "COMMENT ON COLUMN monitoring.decisions.nothing_new"
        " IS 'drift or live quality asks for a retraining, but it would give the same models again'"
    )


def downgrade() -> None:
    """Refuse: there is no way back but a backup."""
    raise NotImplementedError("migrations go forward only; restore a backup to go back")

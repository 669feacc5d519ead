"""Let a drift report say how often requests leave a column out."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; reports of earlier versions do not know it."""
    op.execute("ALTER TABLE monitoring.drift ADD COLUMN absent_now real")
    op.execute(
        "COMMENT ON COLUMN monitoring.drift.absent_now IS"
        " 'share of the window that does not state the column; null: not measured'"
    )


def downgrade() -> None:
    """Refuse: there is no way back but a backup."""
    raise NotImplementedError("migrations go forward only; restore a backup to go back")

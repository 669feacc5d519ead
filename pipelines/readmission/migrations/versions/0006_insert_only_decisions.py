"""Let the role `train` add decisions but not rewrite them."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Revoke what no version has ever used."""
    op.execute("REVOKE UPDATE ON training.promotions FROM readmission_train")


def downgrade() -> None:
    """Refuse: there is no way back but a backup."""
    raise NotImplementedError("migrations go forward only; restore a backup to go back")

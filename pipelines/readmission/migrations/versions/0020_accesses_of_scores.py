"""Let batch scoring of a file add to the access log."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

GRANTS = """
GRANT USAGE ON SCHEMA privacy TO readmission_score;
GRANT INSERT ON privacy.accesses, privacy.accesses_default TO readmission_score;
GRANT EXECUTE ON FUNCTION privacy.ensure_month(date) TO readmission_score;
"""


def upgrade() -> None:
    """Grant the role `score` what it adds."""
    op.execute(GRANTS)


def downgrade() -> None:
    """Refuse: there is no way back but a backup."""
    raise NotImplementedError("migrations go forward only; restore a backup to go back")

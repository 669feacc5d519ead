"""Give the search for parameters a schema in which Optuna keeps tables of its own making."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SCHEMA = """
CREATE SCHEMA search;
COMMENT ON SCHEMA search IS 'studies of `readmission search`; the tables are Optuna''s, made and migrated by it';
GRANT USAGE, CREATE ON SCHEMA search TO readmission_train;
"""


def upgrade() -> None:
    """Add the schema."""
    op.execute(SCHEMA)


def downgrade() -> None:
    """Refuse: there is no way back but a backup."""
    raise NotImplementedError("migrations go forward only; restore a backup to go back")

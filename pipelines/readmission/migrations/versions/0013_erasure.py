"""Let an erasure wait for every transaction that has read the tombstones before it."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

FUNCTION = """
CREATE FUNCTION privacy.lock_tombstones() RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS 'LOCK TABLE privacy.tombstones IN ACCESS EXCLUSIVE MODE';
REVOKE ALL ON FUNCTION privacy.lock_tombstones() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION privacy.lock_tombstones() TO readmission_privacy;
"""


def upgrade() -> None:
    """Create the function."""
    op.execute(FUNCTION)


def downgrade() -> None:
    """Refuse: there is no way back but a backup."""
    raise NotImplementedError("migrations go forward only; restore a backup to go back")

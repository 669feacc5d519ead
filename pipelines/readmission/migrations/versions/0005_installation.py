"""Give every installation an identity, by which a backup of another one is recognised."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE public.installation (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  created timestamptz NOT NULL DEFAULT now(),
  single boolean NOT NULL DEFAULT true UNIQUE CHECK (single)
);
COMMENT ON TABLE public.installation IS 'one row, made once; a restored database keeps the identity of its backup';
INSERT INTO public.installation DEFAULT VALUES;
"""


def upgrade() -> None:
    """Add the table with its one row."""
    op.execute(TABLE)


def downgrade() -> None:
    """Refuse: there is no way back but a backup."""
    raise NotImplementedError("migrations go forward only; restore a backup to go back")

"""Give predictions a partition a month and the variant that answered (champion, challenger, shadow)."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

VARIANT = """
ALTER TABLE serving.predictions ADD COLUMN variant text NOT NULL DEFAULT 'champion'
  CHECK (variant IN ('champion', 'challenger', 'shadow'));
COMMENT ON COLUMN serving.predictions.variant IS 'who answered; shadow: nobody saw this answer';
"""

# The API may insert but not create tables: it asks the owner's function. A month whose rows have begun to
# fill the default partition stays there.
MONTHS = """
CREATE FUNCTION serving.ensure_month(day date) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  first date := date_trunc('month', day);
  name text := 'predictions_' || to_char(day, 'YYYY_MM');
BEGIN
  IF first < date '2000-01-01' OR first > current_date + 62 OR to_regclass('serving.' || name) IS NOT NULL THEN
    RETURN;
  END IF;
  EXECUTE format('CREATE TABLE serving.%I PARTITION OF serving.predictions FOR VALUES FROM (%L) TO (%L)',
    name, first::timestamp AT TIME ZONE 'UTC', (first + interval '1 month')::timestamp AT TIME ZONE 'UTC');
EXCEPTION WHEN duplicate_table OR check_violation THEN
  NULL;
END $$;
REVOKE ALL ON FUNCTION serving.ensure_month(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION serving.ensure_month(date) TO readmission_serving;
"""


def upgrade() -> None:
    """Add the variant and the function that makes a month's partition."""
    op.execute(VARIANT)
    op.execute(MONTHS)

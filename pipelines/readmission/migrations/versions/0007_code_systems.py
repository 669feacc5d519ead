"""Record the declared code system of a batch's diagnoses, and those of the data a model was trained on."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. What was stored before is ICD-9-CM, the only system until now."""
    op.execute(
        "ALTER TABLE raw.batches ADD COLUMN icd text NOT NULL DEFAULT '9cm' CHECK (icd IN ('9cm', '10cm'));"
        "COMMENT ON COLUMN raw.batches.icd IS 'declared code system of the diagnoses: ICD-9-CM or ICD-10-CM';"
        "ALTER TABLE training.experiments ADD COLUMN icd text NOT NULL DEFAULT '9cm';"
        "COMMENT ON COLUMN training.experiments.icd IS 'code systems of the data, separated by spaces'"
    )


def downgrade() -> None:
    """Refuse: there is no way back but a backup."""
    raise NotImplementedError("migrations go forward only; restore a backup to go back")

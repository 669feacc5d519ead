"""The rule of drift, as the settings describe it."""

from readmission.monitoring import drift
from readmission.settings import Settings


def rule_of(settings: Settings) -> drift.Rule:
    """Return the rule that the settings describe."""
    return drift.Rule(
        settings.drift.psi, settings.drift.psi_large, settings.drift.columns, settings.drift.windows,
        settings.drift.minimum_rows,
    )  # fmt: skip

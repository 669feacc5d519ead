"""The rule of drift, as the settings describe it."""

from readmission.monitoring import drift
from readmission.settings import Settings


def rule_of(settings: Settings) -> drift.Rule:
    """Return the rule that the settings describe."""
    return drift.Rule(
        settings.drift_psi, settings.drift_psi_large, settings.drift_columns, settings.drift_windows,
        settings.drift_minimum_rows,
    )  # fmt: skip

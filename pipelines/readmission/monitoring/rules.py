"""Rule of drift, as the settings describe it."""

from readmission.monitoring.drift import DriftRule
from readmission.settings import Settings


def rule_of(settings: Settings) -> DriftRule:
    """Return the rule that the settings describe."""
    return DriftRule(
        moderate=settings.drift.psi,
        large=settings.drift.psi_large,
        columns=settings.drift.columns,
        windows=settings.drift.windows,
        minimum=settings.drift.minimum_rows,
    )

"""The rule that the settings describe."""

from readmission.monitoring.drift import DriftRule
from readmission.monitoring.rules import rule_of
from readmission.settings import Settings


def test_the_default_settings_are_the_default_rule() -> None:
    assert rule_of(Settings(_env_file=None)) == DriftRule()

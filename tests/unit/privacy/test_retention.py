"""Which places are limited, and for how long, follows the settings."""

from pathlib import Path

from readmission.privacy import retention
from tests.conftest import make_settings


def test_places_with_a_setting_of_zero_are_left_alone(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, retention_predictions_days=30)
    days = {table.name: keep for table, keep in retention.limited(settings)}
    assert days["serving.predictions"] == 30
    assert "raw.encounters" not in days and "clean.encounters" not in days

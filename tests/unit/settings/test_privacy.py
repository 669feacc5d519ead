"""Settings of privacy: flat names outside, no key by default, no negative age."""

import pytest
from pydantic import ValidationError

from readmission.settings import Settings
from readmission.settings.privacy import Privacy


def test_flat_names_reach_the_group() -> None:
    settings = Settings(retention_raw_days=3, patient_key="k" * 40)
    assert settings.privacy.raw_days == 3
    assert settings.privacy.patient_key is not None and "k" * 40 not in repr(settings)


def test_there_is_no_key_by_default_and_no_negative_age() -> None:
    assert Privacy().patient_key is None
    with pytest.raises(ValidationError):
        Settings(retention_scores_days=-1)

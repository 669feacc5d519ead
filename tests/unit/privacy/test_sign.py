"""The verb asks for a key before it touches anything."""

from pathlib import Path

import pytest

from readmission.errors import UserError
from readmission.privacy import sign
from readmission.settings import Settings


def test_without_a_key_nothing_can_be_signed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="READMISSION_SIGNING_KEY is not set"):
        sign.run(Settings(_env_file=None, home=tmp_path))

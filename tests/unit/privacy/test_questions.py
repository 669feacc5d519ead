"""The verb asks for what it needs."""

from pathlib import Path

import pytest

from readmission.errors import UserError
from readmission.privacy import questions
from tests.conftest import make_settings


def test_accesses_need_a_patient(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--patient"):
        questions.run(make_settings(tmp_path), "accesses")

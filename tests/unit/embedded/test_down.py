"""`readmission down` where nothing runs: it says so, and deletes the state only when asked."""

from pathlib import Path

import pytest

from readmission.embedded import down
from readmission.settings import Settings


@pytest.mark.parametrize("forget", [False, True])
def test_state_is_kept_unless_it_is_to_be_forgotten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], forget: bool
) -> None:
    settings = Settings(home=tmp_path / "state")
    settings.home.mkdir()
    down.run(settings, forget=forget)
    assert settings.home.exists() is not forget
    assert "The system was not running." in capsys.readouterr().out

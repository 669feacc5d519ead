"""When the system runs on the synthetic sample, and how data replaces it."""

from pathlib import Path

import pytest

from readmission.data import content
from readmission.embedded import sample
from readmission.errors import UnreachableError, UserError
from readmission.settings import Settings
from tests.conftest import make_settings


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no download succeed."""

    def fail(url: str) -> bytes:
        raise UnreachableError(f"The data could not be downloaded from {url}.")

    monkeypatch.setattr(content, "download", fail)


def used(settings: Settings) -> None:
    """Leave what a run leaves."""
    for folder in ("postgres", "models", "mlflow-artifacts", "spool", "cache", "logs"):
        (settings.home / folder).mkdir(parents=True, exist_ok=True)
    for file in ("secrets.env", "settings.env", "record-systems.json"):
        (settings.home / file).touch()


def data(folder: Path) -> str:
    path = folder / "data.csv"
    path.write_text("a,b\n")
    return str(path)


@pytest.mark.usefixtures("offline")
def test_a_first_start_without_data_takes_the_sample_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = make_settings(tmp_path)
    settings.home.mkdir(exist_ok=True)
    assert sample.choose_source(settings, asked=False, running=False) == sample.location(settings)
    assert Path(sample.location(settings)).is_file()
    assert "SYNTHETIC sample" in caplog.text and "READMISSION_SOURCE" in caplog.text
    used(settings)
    assert sample.choose_source(settings, asked=False, running=False) == sample.location(settings)
    assert "stays on the SYNTHETIC sample" in caplog.text


@pytest.mark.usefixtures("offline")
def test_data_replaces_the_sample_with_all_that_came_from_it(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    settings.home.mkdir(exist_ok=True)
    sample.choose_source(settings, asked=False, running=False)
    used(settings)
    assert sample.choose_source(settings.replace(source=data(tmp_path)), asked=True, running=False) == ""
    assert {path.name for path in settings.home.iterdir()} == {"cache", "logs", "secrets.env", "settings.env"}


@pytest.mark.usefixtures("offline")
def test_nothing_is_deleted_under_a_running_system_or_for_a_file_that_is_absent(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    settings.home.mkdir(exist_ok=True)
    sample.choose_source(settings, asked=False, running=False)
    used(settings)
    named = settings.replace(source=data(tmp_path))
    assert sample.choose_source(named, asked=True, running=True) == ""
    assert sample.choose_source(named, asked=False, running=True) == sample.location(settings)
    with pytest.raises(UserError, match="not a file"):
        sample.choose_source(settings.replace(source="/absent.csv"), asked=True, running=False)
    assert (settings.home / "postgres").exists() and (settings.home / "synthetic").exists()


@pytest.mark.usefixtures("offline")
def test_data_that_is_there_is_left_alone(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    used(settings)
    assert sample.choose_source(settings, asked=False, running=False) == ""
    assert (settings.home / "postgres").exists()


@pytest.mark.usefixtures("offline")
def test_a_sample_that_was_asked_for_stays(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    settings.home.mkdir(exist_ok=True)
    asked = settings.replace(source=sample.location(settings))
    assert sample.choose_source(asked, asked=True, running=False) == sample.location(settings)
    used(settings)
    assert sample.choose_source(asked, asked=False, running=False) == sample.location(settings)
    assert (settings.home / "postgres").exists()

"""The benchmark of the API takes its data from the setting, the cache or a sample, and explains its options."""

from pathlib import Path

import pytest

from bench.serving import api
from readmission.data.content import CSV_NAME
from readmission.settings import Settings


def test_the_setting_comes_before_the_cache_and_the_cache_before_the_sample(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert api._source(settings) == ""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / CSV_NAME).touch()
    assert api._source(settings) == str(tmp_path / "cache" / CSV_NAME)
    assert api._source(settings.replace(source="mine.csv")) == "mine.csv"


@pytest.mark.parametrize("verb", [api.compare, api.compare_batches, api.check])
def test_every_verb_explains_its_options(verb: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(verb)
    with pytest.raises(SystemExit) as ended:
        verb(["--help"])
    assert ended.value.code == 0
    assert "--port" in capsys.readouterr().out

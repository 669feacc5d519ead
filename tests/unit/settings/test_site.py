"""Settings of the dossier."""

from pathlib import Path

from readmission.settings import VARIABLES
from tests.conftest import make_settings


def test_the_site_is_one_variable_and_requiring_it_is_off(tmp_path: Path) -> None:
    assert VARIABLES["site"] == ("site", "facts") and VARIABLES["site_required"] == ("site", "required")
    settings = make_settings(tmp_path, site="funding: x", site_required="true")
    assert (settings.site.facts, settings.site.required) == ("funding: x", True)
    assert not make_settings(tmp_path).site.required

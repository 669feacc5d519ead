"""The generated page of the settings."""

import generate

from readmission.settings import VARIABLES


def test_the_page_of_the_settings_ends_with_every_variable() -> None:
    [(path, text)] = generate.settings_page().items()
    assert path == "docs/settings.md" and text.startswith("#")
    assert not [name for name in VARIABLES if f"`READMISSION_{name.upper()}`" not in text]

"""Licences: of what a package states, an alternative must be allowed as a whole."""

from email.message import Message
from importlib.metadata import Distribution
from types import SimpleNamespace
from typing import cast

import licences
import pytest


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 AND BSD-3-Clause", True),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("Artistic OR GPL OR GPL-2.0-or-later", True),
        ("GPL-3.0-only AND (Apache-2.0 OR MIT)", False),
        ("LGPL-3.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("", False),
        ("SSPL-1.0", False),
    ],
)
def test_one_alternative_must_be_allowed_as_a_whole(expression: str, allowed: bool) -> None:
    assert licences.is_allowed(expression) is allowed


@pytest.mark.parametrize(
    ("expression", "spdx"), [("MIT", True), ("MPL-2.0 AND (Apache-2.0 OR MIT)", True), ("BSD", False), ("GPL", False)]
)
def test_what_a_package_states_in_its_own_words_is_a_name(expression: str, spdx: bool) -> None:
    assert licences.is_spdx(expression) is spdx


@pytest.mark.parametrize(
    ("fields", "stated"),
    [
        ({"License-Expression": "BSD-2-Clause", "License": "whatever"}, "BSD-2-Clause"),
        ({"Classifier": "License :: OSI Approved :: MIT License", "License": "a long text"}, "MIT"),
        ({"License": "Apache License, Version 2.0"}, "Apache-2.0"),
        ({"License": "Copying this work\nand more"}, "Copying this work"),
        ({"Name": "Huey"}, "MIT"),
        ({}, ""),
    ],
)
def test_the_newer_field_counts_first(fields: dict[str, str], stated: str) -> None:
    metadata = Message()
    for name, value in ({"Name": "x"} | fields).items():
        metadata[name] = value
    assert licences.licence(cast(Distribution, SimpleNamespace(metadata=metadata))) == stated

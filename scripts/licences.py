"""Licences that packages state, and those that this project allows."""

import re
from importlib.metadata import Distribution

from packaging.utils import canonicalize_name

#: Licences that any package may have, by SPDX; "BSD" and "Artistic" are what packages state without saying which one.
ALLOWED = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "Artistic",
        "BSD",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSD-3-Clause-Clear",
        "CC0-1.0",
        "CNRI-Python",
        "ISC",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "MPL-2.0",
        "PSF-2.0",
        "PostgreSQL",
        "Unlicense",
        "ZPL-2.1",
        "Zlib",
    }
)
#: Packages with another licence, and why they may be used.
EXCEPTIONS = {
    "ldap3": "LGPL-3.0: in the image of pgAdmin alone, not changed",
    "libgravatar": "GPL-3.0: in the image of pgAdmin alone, with no code of ours; not changed",
    "paramiko": "LGPL-2.1: in the image of pgAdmin alone, not changed",
    "psycopg": "LGPL-3.0: imported as a library, not changed",
    "psycopg-binary": "LGPL-3.0: imported as a library, not changed",
    "psycopg2-binary": "LGPL with exceptions: imported as a library, not changed",
}
#: Licences of packages that state theirs in a file alone.
STATED_IN_A_FILE = {"axe-playwright-python": "MIT", "huey": "MIT", "promql-parser": "MIT", "skops": "MIT"}
_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "Artistic License": "Artistic",
    "BSD License": "BSD",
    "GNU General Public License (GPL)": "GPL",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
#: Free text of the older field `License`.
_TEXTS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "PostgreSQL Licence": "PostgreSQL",
    "BSD-derived (http://www.repoze.org/LICENSE.txt)": "BSD",
}


def licence(package: Distribution) -> str:
    """Return the licence that a package states, as an SPDX expression where it has one; empty if it states none."""
    metadata = package.metadata
    fields = {name: metadata[name].strip() for name in ("License-Expression", "License") if name in metadata}
    if expression := fields.get("License-Expression"):
        return expression
    prefix = "License :: OSI Approved :: "
    stated = [c.strip().removeprefix(prefix) for c in metadata.get_all("Classifier") or [] if c.startswith(prefix)]
    if stated:
        return " OR ".join(dict.fromkeys(_CLASSIFIERS.get(text, text) for text in stated))
    first = fields.get("License", "").partition("\n")[0]
    return _TEXTS.get(first, first) or STATED_IN_A_FILE.get(canonicalize_name(metadata["Name"]), "")


def is_allowed(expression: str) -> bool:
    """Return whether an expression of SPDX leaves a choice of allowed licences: all of one of its alternatives."""
    while group := re.search(r"\(([^()]*)\)", expression):
        inner = "MIT" if is_allowed(group[1]) else "refused"
        expression = expression[: group.start()] + inner + expression[group.end() :]
    return any(
        all(part.strip() in ALLOWED for part in re.split(r"\bAND\b", alternative))
        for alternative in re.split(r"\bOR\b", expression)
    )


def is_spdx(expression: str) -> bool:
    """Return whether an expression is made of SPDX's identifiers, as far as they are listed here."""
    listed = ALLOWED - {"Artistic", "BSD"} | {"LGPL-3.0-only"}
    parts = re.split(r"\b(?:AND|OR)\b|[()]", expression)
    return all(part.strip() in listed for part in parts if part.strip())

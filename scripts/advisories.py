"""Known vulnerabilities of packages, from a database of OSV records."""

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

#: Vulnerabilities that do not matter here, and why: OSV id -> reason.
ACCEPTED: Mapping[str, str] = {}


def read_advisories(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of an OSV database: a zip of JSON files, a folder of them, or one."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".json"):
                    yield json.loads(archive.read(name))
        return
    for file in sorted(path.glob("**/*.json")) if path.is_dir() else [path]:
        yield json.loads(file.read_text())


def affects(record: Mapping[str, Any], name: str, version: str) -> bool:
    """Return whether a record says that a version of a package is vulnerable."""
    if record.get("withdrawn"):
        return False
    for affected in record.get("affected", []):
        named = affected.get("package", {})
        if named.get("ecosystem") != "PyPI" or canonicalize_name(named.get("name", "")) != name:
            continue
        if version in affected.get("versions", []):
            return True
        if any(_within(r["events"], version) for r in affected.get("ranges", []) if r["type"] == "ECOSYSTEM"):
            return True
    return False


def _within(events: Sequence[Mapping[str, str]], version: str) -> bool:
    inside = False
    for event in events:
        kind, bound = next(iter(event.items()))
        try:
            reached = bound == "0" or Version(version) >= Version(bound)
            past = Version(version) > Version(bound) if kind == "last_affected" else reached
        except InvalidVersion:
            continue
        if kind == "introduced" and reached:
            inside = True
        elif kind in ("fixed", "last_affected") and past:
            inside = False
    return inside

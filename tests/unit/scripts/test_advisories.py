"""Vulnerabilities: records of OSV by range and by list, from a file, a folder or a zip."""

import json
import zipfile
from pathlib import Path
from typing import Any

import advisories
import pytest


def record(*events: dict[str, str], versions: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    affected: dict[str, Any] = {"package": {"ecosystem": "PyPI", "name": "Py_Thing"}, "versions": list(versions)}
    if events:
        affected["ranges"] = [{"type": "ECOSYSTEM", "events": list(events)}]
    return {"id": "PYSEC-1", "summary": "bad", "affected": [affected], **more}


BETWEEN = ({"introduced": "0"}, {"fixed": "1.2"}, {"introduced": "2.0"}, {"last_affected": "2.3"})


@pytest.mark.parametrize(
    ("version", "affected"),
    [("1.1.9", True), ("1.2", False), ("1.10", False), ("2.0", True), ("2.3", True), ("2.3.1", False), ("odd", True)],
)
def test_a_range_begins_and_ends_by_version(version: str, affected: bool) -> None:
    assert advisories.affects(record(*BETWEEN), "py-thing", version) is affected


def test_a_list_counts_too_and_other_packages_and_withdrawn_records_do_not() -> None:
    listed = record(versions=("3.0",))
    assert advisories.affects(listed, "py-thing", "3.0") and not advisories.affects(listed, "py-thing", "3.1")
    assert not advisories.affects(listed, "other", "3.0")
    assert not advisories.affects(listed | {"withdrawn": "2026-01-01T00:00:00Z"}, "py-thing", "3.0")


def test_a_database_is_a_zip_a_folder_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "all" / "PYSEC-1.json"
    file.parent.mkdir()
    file.write_text(json.dumps(record(versions=("3.0",))))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(file, "PYSEC-1.json")
    for source in (file, file.parent, tmp_path / "all.zip"):
        assert [entry["id"] for entry in advisories.read_advisories(source)] == ["PYSEC-1"]

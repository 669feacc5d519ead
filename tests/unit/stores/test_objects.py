"""Objects in a folder are whole or absent."""

import os
from pathlib import Path

import pytest

from readmission.stores.objects import FolderStore


def test_an_object_is_read_back_and_replaced(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("clean/a.parquet", b"one")
    store.put("clean/a.parquet", b"two")
    assert store.get("clean/a.parquet") == b"two"
    assert [path.name for path in (tmp_path / "clean").iterdir()] == ["a.parquet"]
    assert store.exists("clean/a.parquet")


def test_an_absent_object_is_a_key_error(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert not store.exists("nothing")
    with pytest.raises(KeyError, match="nothing"):
        store.get("nothing")


def test_an_object_and_its_new_folders_are_on_disk_when_put_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[int] = set()
    sync = os.fsync

    def record(descriptor: int) -> None:
        sync(descriptor)
        synced.add(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", record)
    FolderStore(tmp_path / "objects").put("clean/batch=0001/a.parquet", b"rows")
    path = tmp_path / "objects" / "clean" / "batch=0001" / "a.parquet"
    assert synced == {part.stat().st_ino for part in (path, *path.parents) if part.is_relative_to(tmp_path)}

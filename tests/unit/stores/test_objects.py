"""Objects in a folder are whole or absent."""

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

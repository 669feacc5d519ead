"""Small disk that is filled and emptied."""

import os
from pathlib import Path

import pytest

from faults.disks import Disk
from faults.observation import SkippedError


def test_a_disk_is_filled_and_has_room_again(tmp_path: Path) -> None:
    try:
        disk = Disk(tmp_path / "disk", 2)
    except SkippedError as reason:
        pytest.skip(str(reason))
    try:
        disk.fill()
        with pytest.raises(OSError, match="No space"), (disk.folder / "more").open("wb", buffering=0) as file:
            file.write(bytes(1 << 16))
        disk.free()
        (disk.folder / "more").write_bytes(bytes(1 << 16))
    finally:
        disk.remove()


def test_only_root_may_mount_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SkippedError, match="only root"):
        Disk(tmp_path / "disk", 2)
    assert not (tmp_path / "disk").exists()

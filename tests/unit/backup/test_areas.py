"""Files of an area are copied with their hashes, and what differs is found."""

import io
from pathlib import Path

import pytest

from readmission.backup import areas
from readmission.backup.locations import Folder, copy_file, hash_file, open_location


@pytest.fixture
def live(tmp_path: Path) -> Folder:
    location = Folder(tmp_path / "live")
    for key, data in {"a/b.bin": b"one", "c.bin": b"two"}.items():
        location.put(key, io.BytesIO(data))
    return location


def test_an_area_is_saved_with_hashes_without_temporary_files(live: Folder, tmp_path: Path) -> None:
    (live.root / "a" / ".half.123").write_bytes(b"x")
    backup = Folder(tmp_path / "backup", private=True)
    saved = areas.save("objects", live, backup)
    assert set(saved) == {"objects/a/b.bin", "objects/c.bin"} == set(backup.sizes())
    assert saved["objects/c.bin"].bytes == 3
    assert saved["objects/c.bin"] == hash_file(backup, "objects/c.bin")
    assert (backup.root / "objects" / "c.bin").stat().st_mode & 0o777 == 0o600
    assert areas.find_damage(backup, saved) == []
    (backup.root / "objects" / "c.bin").write_bytes(b"twO")
    (backup.root / "objects" / "a" / "b.bin").unlink()
    assert areas.find_damage(backup, saved) == ["objects/a/b.bin", "objects/c.bin"]


def test_missing_and_changed_files_come_back_and_others_stay(live: Folder, tmp_path: Path) -> None:
    backup = Folder(tmp_path / "backup")
    files = {key.removeprefix("objects/"): file for key, file in areas.save("objects", live, backup).items()}
    assert areas.differing("objects", live, files) == ([], [])
    live.delete("a/b.bin")
    live.put("c.bin", io.BytesIO(b"TWO"))
    live.put("new.bin", io.BytesIO(b"new"))
    assert areas.differing("objects", live, files) == (["a/b.bin"], ["c.bin"])
    areas.bring_back("objects", backup, live, ["a/b.bin", "c.bin"])
    assert areas.differing("objects", live, files) == ([], [])
    assert (live.root / "new.bin").read_bytes() == b"new"


def test_a_location_tells_what_is_absent(live: Folder, tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        copy_file(live, "absent", live, "x")
    with pytest.raises(KeyError):
        hash_file(live, "a/b.bin/c")
    assert Folder(tmp_path / "absent").children() == [] and Folder(tmp_path / "absent").sizes() == {}
    assert open_location(str(tmp_path)).url == str(tmp_path)
    assert live.children() == ["a"]
    live.delete("absent")

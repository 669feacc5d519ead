"""Of many backups the whole ones count, each installation deletes its own only, and the newest stays."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from readmission.backup import collection
from readmission.backup.locations import Folder
from readmission.errors import UserError

OURS, THEIRS = "aaaaaaaa-1", "bbbbbbbb-2"


def make(root: Path, installation: str, days_ago: float, *, whole: bool = True, unfinished: bool = False) -> str:
    name = collection.backup_name(installation, datetime.now(UTC) - timedelta(days=days_ago))
    folder = root / (name + (".unfinished" if unfinished else ""))
    folder.mkdir()
    (folder / "data").write_text("x")
    if whole:
        (folder / "manifest.json").write_text("{}")
    return folder.name


def test_a_name_tells_when_and_whose() -> None:
    moment = datetime(2026, 11, 27, 7, 56, 43, tzinfo=UTC)
    name = collection.backup_name(OURS, moment)
    assert name == "readmission-20261127T075643Z-aaaaaaaa"
    assert collection.created_at(name) == moment
    assert [collection.created_at(other) for other in ("x", "readmission-1-2", "other-20261127T075643Z-a")] == [
        None
    ] * 3


def test_retention_keeps_the_newest_and_other_installations(tmp_path: Path) -> None:
    days = {n: make(tmp_path, OURS, n) for n in (10, 5, 2, 0)}
    theirs = make(tmp_path, THEIRS, 30)
    (tmp_path / "notes").mkdir()
    target = Folder(tmp_path)
    assert collection.apply_retention(target, OURS, 0, 0) == []
    assert collection.apply_retention(target, OURS, 3, 0) == [days[10]]
    assert collection.apply_retention(target, OURS, 0, 3) == [days[5]]
    assert collection.apply_retention(target, OURS, 0, 0.0001) == [days[2]]
    assert collection.apply_retention(target, OURS, 1, 0.0000001) == []
    assert sorted(target.children()) == sorted(["notes", theirs, days[0]])


def test_unfinished_backups_of_this_installation_are_deleted(tmp_path: Path) -> None:
    whole = make(tmp_path, OURS, 3)
    make(tmp_path, OURS, 2, unfinished=True)
    make(tmp_path, OURS, 1, whole=False)
    theirs = make(tmp_path, THEIRS, 2, whole=False, unfinished=True)
    collection.delete_unfinished(Folder(tmp_path), OURS)
    assert sorted(Folder(tmp_path).children()) == sorted([whole, theirs])


def test_the_newest_whole_backup_is_chosen(tmp_path: Path) -> None:
    target = Folder(tmp_path)
    with pytest.raises(UserError, match="no whole backup"):
        collection.choose_backup(target)
    make(tmp_path, OURS, 0, unfinished=True)
    with pytest.raises(UserError, match="Only unfinished ones"):
        collection.choose_backup(target)
    make(tmp_path, OURS, 4)
    newest = make(tmp_path, OURS, 2)
    make(tmp_path, OURS, 1, whole=False)
    assert collection.choose_backup(target).url == str(tmp_path / newest)
    assert collection.choose_backup(Folder(tmp_path / newest)).url == str(tmp_path / newest)
    make(tmp_path, THEIRS, 1)
    with pytest.raises(UserError, match="several installations"):
        collection.choose_backup(target)


def test_a_backup_gets_its_name_when_it_is_published(tmp_path: Path) -> None:
    target, name = Folder(tmp_path), collection.backup_name(OURS, datetime.now(UTC))
    (tmp_path / collection.begin(target, name).url).mkdir()
    assert target.children() == [name + ".unfinished"]
    collection.publish(target, name)
    assert target.children() == [name]

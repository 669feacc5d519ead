"""Atomic writes."""

import io
import os
from pathlib import Path

import pytest

from readmission.files import write_atomic


@pytest.mark.parametrize("sync", [False, True])
def test_the_content_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path, sync: bool) -> None:
    path = tmp_path / "state.json"
    write_atomic(path, "old", sync=sync)
    write_atomic(path, b"new", sync=sync)
    assert path.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["state.json"]


def test_a_secret_is_never_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "secrets.env"
    write_atomic(path, "x", mode=0o600)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_reader_is_copied_whole(tmp_path: Path) -> None:
    write_atomic(tmp_path / "copy", io.BytesIO(b"x" * 3_000_000), sync=True)
    assert (tmp_path / "copy").stat().st_size == 3_000_000


def test_a_failed_write_keeps_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    write_atomic(path, "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, "new", sync=True)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["state.json"]

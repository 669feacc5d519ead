"""Files of the page: which may be read."""

from pathlib import Path

import pytest

from serving.demo.page import is_uploaded


def test_only_what_lies_below_the_upload_folder_is_uploaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, private = tmp_path / "uploads", tmp_path / "private.csv"
    (folder / "a").mkdir(parents=True)
    private.touch()
    (folder / "a" / "ward.csv").touch()
    (folder / "a" / "link.csv").symlink_to(private)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    assert is_uploaded(folder / "a" / "ward.csv")
    for path in (private, folder / ".." / "private.csv", folder / "a" / "link.csv"):
        assert not is_uploaded(path)

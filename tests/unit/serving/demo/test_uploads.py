"""What a killed process has left goes at the next start; what is younger stays, since another process may use it."""

import os
from pathlib import Path

from serving.demo.uploads import KEEP_FILES, delete_old


def test_old_files_go_and_young_ones_stay(tmp_path: Path) -> None:
    old, young = tmp_path / "abc" / "ward.csv", tmp_path / "def" / "ward.csv"
    for path in (old, young):
        path.parent.mkdir()
        path.write_text("patient")
    os.utime(old, (0, old.stat().st_mtime - KEEP_FILES - 1))
    assert delete_old(tmp_path) == 1
    assert not old.exists() and young.exists()
    assert delete_old(tmp_path / "absent") == 0

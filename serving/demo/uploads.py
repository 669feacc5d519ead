"""Uploaded and scored files, which hold patients' data: what a killed process has left is deleted at the start."""

import time
from pathlib import Path

#: Age at which files are deleted, in seconds.
KEEP_FILES = 900


def delete_old(folder: Path, seconds: float = KEEP_FILES) -> int:
    """Delete files below a folder that are older; return how many. Gradio knows only those of its own life."""
    limit, deleted = time.time() - seconds, 0
    for path in folder.rglob("*"):
        try:
            if path.is_file() and path.stat().st_mtime < limit:
                path.unlink()
                deleted += 1
        except FileNotFoundError:
            continue
    return deleted

"""Attempts to load a version: a process that ends meanwhile is counted, for an hour."""

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from readmission.scorer.manifest import ArtifactError
from readmission.signatures import NOBODY, SigningKey, Trust
from serving.predict import loading


def _die(folder: Path) -> None:
    with loading.attempt(folder, "7"):
        os._exit(9)


def test_a_process_that_ends_in_an_attempt_is_counted_for_an_hour(tmp_path: Path) -> None:
    for _ in range(2):
        process = multiprocessing.get_context("fork").Process(target=_die, args=(tmp_path,))
        process.start()
        process.join()
    assert loading.deaths(tmp_path, "7") == 2
    assert loading.deaths(tmp_path, "77") == loading.deaths(tmp_path, "8") == 0
    for path in tmp_path.iterdir():
        os.utime(path, (0, time.time() - loading.MEMORY_SECONDS - 1))
    assert loading.deaths(tmp_path, "7") == 0 and not list(tmp_path.iterdir())


def test_an_attempt_that_goes_on_or_fails_is_no_death(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="broken"), loading.attempt(tmp_path, "7"):
        assert loading.deaths(tmp_path, "7") == 0
        raise ValueError("broken")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_keeps_nobody_from_loading(tmp_path: Path) -> None:
    with loading.attempt(tmp_path / "absent", "7"):
        assert loading.deaths(tmp_path / "absent", "7") == 0


def test_an_unsigned_version_is_not_even_read_where_signatures_count(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(b"{}")
    with pytest.raises(ArtifactError, match="is not signed"):
        loading.load_checked(tmp_path, (), Trust([SigningKey("s" * 32).public]))
    with pytest.raises(ArtifactError, match=r"manifest\.json cannot be read"):
        loading.load_checked(tmp_path, (), NOBODY)

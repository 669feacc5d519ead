"""What the disturbances wait for."""

import os
from pathlib import Path

from bench.serving import disrupt


def write_workers(folder: Path, versions: dict[int, str]) -> None:
    (folder / "workers").mkdir()
    for pid, version in versions.items():
        (folder / "workers" / f"{pid}.json").write_text(f'{{"champion": "{version}"}}')


def test_a_version_is_served_when_every_worker_serves_it(tmp_path: Path) -> None:
    assert not disrupt._serve(tmp_path, "1")
    write_workers(tmp_path, {1: "1", 2: "2"})
    assert not disrupt._serve(tmp_path, "1")
    (tmp_path / "workers" / "2.json").write_text('{"champion": "1"}')
    assert disrupt._serve(tmp_path, "1")


def test_workers_are_those_whose_process_lives(tmp_path: Path) -> None:
    write_workers(tmp_path, {os.getpid(): "1", 2**22 + 1: "1"})
    assert disrupt._workers(tmp_path) == {os.getpid()}

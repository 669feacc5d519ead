"""One sidecar a home."""

from pathlib import Path

from serving.sidecar import launch


def test_only_one_process_has_the_lock_and_gives_it_back(tmp_path: Path) -> None:
    first = launch.lock(tmp_path)
    assert first is not None
    assert launch.lock(tmp_path) is None
    assert launch.ensure(tmp_path) is None, "a sidecar was started beside one that runs"
    first.close()
    second = launch.lock(tmp_path)
    assert second is not None
    second.close()

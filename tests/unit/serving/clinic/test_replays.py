"""Used tokens: once over all workers, and gone after they expire."""

from pathlib import Path

from serving.clinic.replays import Replays


def test_a_token_is_used_once_by_any_worker(tmp_path: Path) -> None:
    first, other = Replays(tmp_path), Replays(tmp_path)
    assert first.is_first("a", "id", 1000.0)
    assert not other.is_first("a", "id", 1000.0)
    assert other.is_first("b", "id", 1000.0)
    assert other.is_first("a", "../../x\n\0", 1000.0)


def test_what_has_expired_is_deleted(tmp_path: Path) -> None:
    replays = Replays(tmp_path / "used")
    replays.delete_expired(0.0)
    replays.is_first("a", "old", 1000.0)
    replays.is_first("a", "new", 2000.0)
    replays.delete_expired(1500.0)
    assert not replays.is_first("a", "new", 2000.0)
    assert len(list((tmp_path / "used").iterdir())) == 1

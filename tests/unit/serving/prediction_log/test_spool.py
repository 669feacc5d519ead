"""The spool: what is appended is read back, a torn end is cut off, and a limit is kept."""

import fcntl
import struct
import threading
import time
import zlib
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from readmission.polling import wait_until
from serving.prediction_log import segments, spool
from serving.prediction_log.entries import Block, Entry
from serving.prediction_log.spool import PredictionLog


def entry(number: int, **changes: Any) -> Entry:
    fields: dict[str, Any] = {
        "moment": 1,
        "model": "m",
        "version": "1",
        "variant": "champion",
        "inputs": b'{"age": "[0-10)"}',
    }
    fields |= {"probabilities": (0.1, 0.2, 0.7), "latency": 0.001, "request_id": "r"}
    return Entry(**(fields | {"prediction_id": f"id-{number}"} | changes))


def confirm(done: threading.Event, kept: bool) -> None:
    done.set()


def plain(read_back: Entry) -> Entry:
    """Return an entry as it was written: what is read back has one field more."""
    return Entry(**{name: getattr(read_back, name) for name in Entry.__struct_fields__})


def read(folder: Path) -> list[Entry]:
    return [plain(e) for path in sorted(folder.glob("*.log")) for group in segments.frames(path) for e in group]


def test_what_is_appended_by_many_is_on_disk_in_order(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, 0.01, 1 << 30)
    synced = threading.Event()
    for number in range(5000):
        log.append(entry(number))
        if number % 500 == 0:
            time.sleep(0.005)
    log.on_disk(lambda kept: synced.set() if kept else None)
    assert synced.wait(5)
    assert read(tmp_path) == [entry(number) for number in range(5000)]
    log.close()


def test_a_block_is_read_back_as_its_entries_in_order(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, 60, 1 << 30)
    shares = struct.pack("<6d", 0.1, 0.2, 0.7, 0.5, 0.25, 0.25)
    log.append(entry(0))
    block = Block(
        prediction_ids=["a", "b"],
        moment=1,
        model="m",
        version="1",
        variant="champion",
        inputs=b'[{"x":1},{"y":"2"}]',
        probabilities=shares,
        latency=0.5,
        request_id="",
    )
    log.append(block, 2)
    log.append(entry(1))
    log.close()
    first, a, b, last = read(tmp_path)
    assert (first, last) == (entry(0), entry(1))
    assert a == entry(0, prediction_id="a", inputs=b'{"x":1}', latency=0.5, request_id="a", route="/predict_batch")
    assert (b.prediction_id, b.inputs, b.probabilities) == ("b", b'{"y":"2"}', (0.5, 0.25, 0.25))


@pytest.mark.parametrize("cut", [1, 7, 40])
def test_a_torn_end_loses_its_frame_alone(tmp_path: Path, cut: int) -> None:
    log = PredictionLog(tmp_path, 60, 1 << 30, sync=True)
    for number in range(2):
        done = threading.Event()
        log.append(entry(number))
        log.on_disk(partial(confirm, done))
        assert done.wait(5)
    log.close()
    (path,) = tmp_path.glob("*.log")
    path.write_bytes(path.read_bytes()[:-cut])
    assert read(tmp_path) == [entry(0)]


def test_a_full_spool_drops_and_opens_again(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, 0.01, 10_000)
    for number in range(200):
        log.append(entry(number))
    wait_until(lambda: log.full, seconds=10, every=0.01, failure="the spool did not fill up")
    before = segments.measure(tmp_path).size
    for number in range(200):
        log.append(entry(number))
    time.sleep(0.1)
    assert segments.measure(tmp_path).size == before
    for path in tmp_path.glob("*.log"):
        path.unlink()
    assert log.dropping
    wait_until(lambda: not log.full, seconds=10, every=0.01, failure="the spool did not open again")
    log.close()


def write_frames(folder: Path, count: int) -> tuple[Path, list[int]]:
    """Write a segment of `count` frames of one entry; return it and where each frame ends."""
    path, ends = folder / "1-1.log", []
    with path.open("wb") as file:
        for number in range(count):
            body = msgspec.msgpack.encode([entry(number)])
            file.write(struct.pack("<II", len(body), zlib.crc32(body)) + body)
            ends.append(file.tell())
    return path, ends


@pytest.mark.parametrize("zeros", [3, 64])
def test_zeros_at_the_end_are_a_torn_end(tmp_path: Path, zeros: int) -> None:
    path, _ = write_frames(tmp_path, 2)
    path.write_bytes(path.read_bytes() + bytes(zeros))
    assert read(tmp_path) == [entry(0), entry(1)]


def test_a_frame_that_is_damaged_in_the_middle_is_an_error(tmp_path: Path) -> None:
    path, ends = write_frames(tmp_path, 3)
    content = bytearray(path.read_bytes())
    content[ends[1] - 1] ^= 1
    path.write_bytes(content)
    groups = segments.frames(path)
    assert [plain(e) for e in next(groups)] == [entry(0)]
    with pytest.raises(segments.DamagedError):
        next(groups)


def test_a_nearly_full_disk_is_left_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = {"free": 100 << 20}
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(total=100 << 30, free=usage["free"]))
    log = PredictionLog(tmp_path, 0.01, 1 << 30)
    before: tuple[bool, bool] = (log.full, log.dropping)
    assert before == (True, False)
    log.append(entry(0))
    assert log.dropping
    usage["free"] = 10 << 30
    wait_until(lambda: not log.full, seconds=10, every=0.01, failure="the log did not open again")
    log.close()
    assert read(tmp_path) == []


def test_a_segment_is_not_seen_before_it_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[Path]] = []
    flock = fcntl.flock

    def look_and_lock(file: Any, operation: int) -> None:
        seen.append(list(tmp_path.glob("*.log")))
        flock(file, operation)

    monkeypatch.setattr("fcntl.flock", look_and_lock)
    log = PredictionLog(tmp_path, 60, 1 << 30)
    log.append(entry(0))
    log.close()
    assert seen == [[]] and read(tmp_path) == [entry(0)]


def test_segments_are_longer_while_many_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_SEGMENT_SECONDS", 0.0)
    for number in range(spool._MANY_SEGMENTS):
        (tmp_path / f"{number}-1.log").touch()
    log = PredictionLog(tmp_path, 0.001, 1 << 30)
    for number in range(20):
        log.append(entry(number))
        time.sleep(0.01)
    log.close()
    assert len(list(tmp_path.glob("*.log"))) == spool._MANY_SEGMENTS + 1


def test_any_failure_of_the_writer_is_reported_to_those_who_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Any) -> bytes:
        raise RuntimeError("nobody expected this")

    monkeypatch.setattr(spool, "_encode", fail)
    log = PredictionLog(tmp_path, 0.01, 1 << 30)
    answers: list[bool] = []
    log.append(entry(0))
    log.on_disk(answers.append)
    wait_until(lambda: answers == [False], seconds=5, every=0.01, failure="nobody was told")
    log.close()

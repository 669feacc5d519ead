"""The spool: what is appended is read back, a torn end is cut off, and a limit is kept."""

import struct
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from readmission.polling import wait_until
from serving.prediction_log import spool
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


def read(folder: Path) -> list[Entry]:
    return [e for path in sorted(folder.glob("*.log")) for group in spool.frames(path) for e in group]


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
    assert a == entry(0, prediction_id="a", inputs=b'{"x":1}', latency=0.5, request_id="a")
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
    before = spool.size(tmp_path)
    for number in range(200):
        log.append(entry(number))
    time.sleep(0.1)
    assert spool.size(tmp_path) == before
    for path in tmp_path.glob("*.log"):
        path.unlink()
    log.refresh()
    assert not log.full
    log.close()

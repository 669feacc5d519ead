"""The spool: what is appended is read back, a torn end is cut off, and a limit is kept."""

import struct
import threading
import time
from pathlib import Path

import pytest

from serving.prediction_log import ids as ids_module
from serving.prediction_log import spool
from serving.prediction_log.entries import Block, Entry
from serving.prediction_log.ids import Ids, moment
from serving.prediction_log.spool import PredictionLog
from tests.integration.api.tools import EXAMPLE, Api, place, until


def entry(number: int) -> Entry:
    return Entry(f"id-{number}", 1, "m", "1", "champion", b'{"age": "[0-10)"}', (0.1, 0.2, 0.7), 0.001, "r")


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
    log.append(Block(["a", "b"], 1, "m", "1", "champion", b'[{"x":1},{"y":"2"}]', shares, 0.5, ""), 2)
    log.append(entry(1))
    log.close()
    first, a, b, last = read(tmp_path)
    assert (first, last) == (entry(0), entry(1))
    assert a == Entry("a", 1, "m", "1", "champion", b'{"x":1}', (0.1, 0.2, 0.7), 0.5, "a")
    assert b == Entry("b", 1, "m", "1", "champion", b'{"y":"2"}', (0.5, 0.25, 0.25), 0.5, "b")


@pytest.mark.parametrize("cut", [1, 7, 40])
def test_a_torn_end_loses_its_frame_alone(tmp_path: Path, cut: int) -> None:
    log = PredictionLog(tmp_path, 60, 1 << 30, sync=True)
    for number in range(2):
        done = threading.Event()
        log.append(entry(number))
        log.on_disk(lambda _, done=done: done.set())
        assert done.wait(5)
    log.close()
    (path,) = tmp_path.glob("*.log")
    path.write_bytes(path.read_bytes()[:-cut])
    assert read(tmp_path) == [entry(0)]


def test_a_full_spool_drops_and_opens_again(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, 0.01, 10_000)
    for number in range(200):
        log.append(entry(number))
    until(lambda: log.full or log.append(entry(0)), 10)
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


def test_a_full_spool_may_refuse_instead(compiled: dict[str, Path], tmp_path: Path) -> None:
    place(tmp_path, compiled["lightgbm"], "1")
    settings = {"READMISSION_SPOOL_FULL": "refuse", "READMISSION_SPOOL_BYTES": str(1 << 20)}
    api = Api(tmp_path, settings).wait("/readyz")
    try:
        many = {"records": [EXAMPLE] * 3000}
        assert api.http.post("/predict_batch", json=many).status_code == 200
        refused = until(lambda: (answer := api.predict()).status_code == 503 and answer)
        assert "log is full" in refused.json()["error"] and refused.headers["retry-after"]
        assert api.http.get("/health").json()["prediction_log"] == "full"
        for path in (tmp_path / "spool").glob("*.log"):
            path.unlink()
        until(lambda: api.predict().status_code == 200)
    finally:
        api.stop()


def test_ids_are_unique_ordered_and_tell_their_time() -> None:
    ids = [Ids(), Ids()]
    found = []
    for _ in range(2000):
        for maker in ids:
            at = maker.tick()
            found.append(maker.one())
            assert int(moment(found[-1]).timestamp() * 1000 + 0.5) == at
    assert len(set(found)) == 4000
    # Those of a batch come from the same counter, over its end too.
    maker = ids[0]
    maker._next = ids_module._WRAP - 3
    batch = [maker.one(), *maker.many(4), maker.one()]
    assert [int(name[-6:], 16) for name in batch] == [2**24 - 2, 2**24 - 1, 0, 1, 2, 3]
    assert all(moment(name) == moment(batch[0]) for name in batch)
    for wrong in ("", "x" * 36, found[0][:-1], found[0].upper(), found[0].replace("-7", "-4")):
        assert moment(wrong) is None or wrong == found[0]

"""What cannot be read or stored is put aside, and everything else reaches the database."""

import json
import struct
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg2
import pytest

from readmission.settings import Settings
from serving.prediction_log.entries import Entry
from serving.prediction_log.outcomes import Outcome, read_outcome, write_outcome
from serving.sidecar.__main__ import Shipper, attempt

NOW = datetime(2026, 11, 27, tzinfo=UTC)


class Database:
    """Stand-in for the store, which refuses some predictions."""

    def __init__(self, *refused: str, error: Exception | None = None) -> None:
        self.stored: list[str] = []
        self.asked: list[list[Outcome]] = []
        self._refused, self._error = set(refused), error or psycopg2.DataError("value too long")

    def add(self, entries: Sequence[Entry]) -> None:
        if self._refused & {entry.prediction_id for entry in entries}:
            raise self._error
        self.stored += [entry.prediction_id for entry in entries]

    def add_outcomes(self, outcomes: Sequence[Outcome]) -> set[str]:
        self.asked.append(list(outcomes))
        return {outcome.prediction_id for outcome in outcomes} - self._refused


def shipper(home: Path, database: Any) -> Shipper:
    ship = Shipper(Settings(home=home))
    ship._store = database
    return ship


def frame(*names: str) -> bytes:
    entries = [
        Entry(
            prediction_id=name,
            moment=1,
            model="m",
            version="1",
            variant="champion",
            inputs=b"{}",
            probabilities=(0.1, 0.2, 0.7),
            latency=0.0,
            request_id="r",
        )
        for name in names
    ]
    body = msgspec.msgpack.encode(entries)
    return struct.pack("<II", len(body), zlib.crc32(body)) + body


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_zeros_of_a_power_cut_hold_nothing_up(tmp_path: Path) -> None:
    database = Database()
    ship = shipper(tmp_path, database)
    (ship.spool / "1-1.log").write_bytes(bytes(64))
    (ship.spool / "2-1.log").write_bytes(frame("a"))
    ship.ship()
    assert database.stored == ["a"] and files(ship.spool) == []


def test_a_long_backlog_is_stored_in_turns_in_its_order(tmp_path: Path) -> None:
    database = Database()
    ship = shipper(tmp_path, database)
    for number in range(3):
        (ship.spool / f"{number}-1.log").write_bytes(frame(f"{number}"))
    ship.ship(0.0)
    assert database.stored == ["0"] and len(files(ship.spool)) == 2, "between two turns the aliases are polled"
    ship.ship()
    assert database.stored == ["0", "1", "2"] and files(ship.spool) == []


@pytest.mark.parametrize("damage", [b"\x05\0\0\0\0\0\0\0wrong", struct.pack("<II", 3, zlib.crc32(b"odd")) + b"odd"])
def test_a_damaged_segment_is_put_aside_and_the_next_one_stored(tmp_path: Path, damage: bytes) -> None:
    database = Database()
    ship = shipper(tmp_path, database)
    (ship.spool / "1-1.log").write_bytes(frame("a") + damage + frame("b"))
    (ship.spool / "2-1.log").write_bytes(frame("c"))
    ship.ship()
    assert database.stored == ["a", "c"]
    assert files(ship.spool) == [] and files(ship.spool / "unreadable") == ["1-1.log"]


def test_a_prediction_that_cannot_be_stored_leaves_the_others_alone(tmp_path: Path) -> None:
    database = Database("b")
    ship = shipper(tmp_path, database)
    (ship.spool / "1-1.log").write_bytes(frame("a", "b", "c"))
    ship.ship()
    assert database.stored == ["a", "c"] and files(ship.spool / "unreadable") == ["1-1.log"]


def test_a_database_that_is_away_keeps_everything(tmp_path: Path) -> None:
    ship = shipper(tmp_path, Database("a", error=psycopg2.OperationalError("away")))
    (ship.spool / "1-1.log").write_bytes(frame("a"))
    ship.ship()
    assert files(ship.spool) == ["1-1.log"]


def test_outcomes_are_asked_for_together_and_a_torn_file_is_put_aside(tmp_path: Path) -> None:
    database = Database()
    ship = shipper(tmp_path, database)
    for name in ("a", "b"):
        write_outcome(ship.waiting, Outcome(name, "NO", NOW, NOW))
    (ship.waiting / "torn.json").write_text('["c", "N')
    ship.ship()
    assert [[outcome.prediction_id for outcome in asked] for asked in database.asked] == [["a", "b"]]
    assert files(ship.waiting) == [] and files(ship.spool / "unreadable") == ["torn.json"]


def test_an_outcome_is_read_back_and_one_of_an_earlier_version_too(tmp_path: Path) -> None:
    outcome = Outcome("a", "<30", NOW, datetime.now(UTC))
    write_outcome(tmp_path, outcome)
    [path] = tmp_path.iterdir()
    assert read_outcome(path) == outcome
    (tmp_path / "old.json").write_text(json.dumps(["a", "<30", NOW.isoformat()]))
    old = read_outcome(tmp_path / "old.json")
    assert old[:3] == outcome[:3] and abs((old.received - outcome.received).total_seconds()) < 60


def test_a_part_that_fails_does_not_end_the_others(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise TypeError("odd answer")

    attempt(fail, "following the registry")
    assert "following the registry failed" in caplog.text


def test_an_outcome_that_comes_while_an_earlier_one_is_stored_stays_for_the_next_round(tmp_path: Path) -> None:
    first = Outcome("a", "NO", NOW, NOW)
    later = first._replace(outcome=">30", received=NOW + timedelta(seconds=1))

    class Busy(Database):
        def add_outcomes(self, outcomes: Sequence[Outcome]) -> set[str]:
            if not self.asked:
                write_outcome(ship.waiting, later)  # by a worker of the API
            return super().add_outcomes(outcomes)

    database = Busy()
    ship = shipper(tmp_path, database)
    write_outcome(ship.waiting, first)
    ship.ship()
    ship.ship()
    assert database.asked == [[first], [later]]
    assert files(ship.waiting) == []

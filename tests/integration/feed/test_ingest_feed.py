"""Ingest from a feed: the same tables as from the file, batch by batch, once each."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from readmission.data.feed import FeedSource
from readmission.data.sources import FileSource, RawBatch
from readmission.feed.app import Feed
from readmission.feed.chunks import Chunks
from readmission.feed.schedule import Window
from readmission.settings import Settings
from readmission.steps import ingest
from readmission.stores import postgres

from .conftest import Clock, serve

SIZE = 700


@pytest.fixture
def feed(sample: Path, tmp_path: Path) -> Iterator[tuple[Feed, str]]:
    chunks = Chunks.cut(FileSource("sample.csv", sample.read_bytes(), SIZE), tmp_path / "feed", SIZE)
    memory = tmp_path / "feed" / "started"
    feed = Feed(chunks=chunks, batch_size=SIZE, interval=timedelta(minutes=5), memory=memory, clock=Clock())
    with serve(feed) as url:
        yield feed, f"feed+{url}"


def tables(settings: Settings) -> list[tuple[object, ...]]:
    with postgres.transaction(settings, "monitor") as cursor:
        cursor.execute(
            "SELECT batch_id, source_sha256, source_batch, synthetic, rows_read, accepted, quarantined, duplicate"
            " FROM raw.batches ORDER BY 1"
        )
        return cursor.fetchall()


def test_each_batch_comes_once_and_is_the_files(database: Settings, sample: Path, feed: tuple[Feed, str]) -> None:
    settings = database.replace(source=feed[1], batch_size=SIZE)
    clock = feed[0].clock
    assert isinstance(clock, Clock)
    assert ingest.run(settings) == [1]
    assert ingest.run(settings) == []  # the next one is not there yet
    clock.now += timedelta(minutes=5)
    assert ingest.run(settings) == [2]
    clock.now += timedelta(days=1)
    assert ingest.run(settings) == [3]
    assert ingest.run(settings) == []  # there is no further one
    from_feed = tables(settings)
    assert [row[4] for row in from_feed] == [700, 700, 600]
    assert ingest.run(settings, source=str(sample), every=True) == []  # the same rows by another way
    assert tables(settings) == from_feed


def test_a_feed_that_has_grown_goes_on_where_it_was(database: Settings, sample: Path, tmp_path: Path) -> None:
    """Its file has another hash by then; whole batches stay as they are, and the last one has got more rows."""
    settings, lines = database.replace(batch_size=SIZE), sample.read_bytes().splitlines(keepends=True)
    added = []
    for rows in (1000, 2000):
        content = b"".join(lines[: 2 + rows])
        chunks = Chunks.cut(FileSource("sample.csv", content, SIZE), tmp_path / "feed", SIZE)
        memory = tmp_path / "feed" / "started"
        with serve(Feed(chunks=chunks, batch_size=SIZE, memory=memory, clock=Clock())) as url:
            added.append(ingest.run(settings, source=f"feed+{url}", every=True))
            assert ingest.run(settings, source=f"feed+{url}", every=True) == []
    assert added == [[1, 2], [3, 4]]
    assert [row[2:3] + row[4:] for row in tables(settings)] == [
        (1, 700, 700, 0, 0),
        (2, 300, 300, 0, 0),
        (2, 700, 400, 0, 300),
        (3, 600, 600, 0, 0),
    ]


def test_a_feed_that_closes_meanwhile_is_no_failure(
    database: Settings, feed: tuple[Feed, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, running = database.replace(source=feed[1], batch_size=SIZE), feed[0]
    assert isinstance(running.clock, Clock)
    running.clock.now += timedelta(days=1)
    download = FeedSource.batch

    def close_after(source: FeedSource, number: int) -> RawBatch:
        batch = download(source, number)
        running.window = Window.parse("01:00-01:05", "UTC")
        return batch

    monkeypatch.setattr(FeedSource, "batch", close_after)
    assert ingest.run(settings, every=True) == [1]
    running.window = None
    assert ingest.run(settings) == [2]


def test_the_command_says_by_its_exit_code_that_there_was_nothing(database: Settings, feed: tuple[Feed, str]) -> None:
    environment = os.environ | {
        "READMISSION_HOME": str(database.home),
        "READMISSION_POSTGRES_PORT": str(database.postgres.port),
        "READMISSION_POSTGRES_DATABASE": database.postgres.database,
        "READMISSION_POSTGRES_PASSWORD_INGEST": database.password("ingest"),
        "READMISSION_BATCH_SIZE": str(SIZE),
        "READMISSION_SOURCE": feed[1],
    }

    def ingest_next(*options: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "readmission.cli", *options, "ingest", "--next"]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return result.returncode, result.stderr

    assert ingest_next("--nothing-to-do", "99")[0] == 0
    code, output = ingest_next("--nothing-to-do", "99")
    assert code == 99
    assert "nothing to ingest" in output
    assert ingest_next()[0] == 0
    feed[0].window = Window.parse("09:00-10:00", "UTC")
    code, output = ingest_next("--nothing-to-do", "99")
    assert code == 99
    assert "closed until 2026-03-03T09:00:00+00:00" in output

"""Ingest's side of the feed: the same rows as from the file, whatever the network does."""

import pytest

from readmission.data.feed import FeedSource
from readmission.data.sources import SourceClosedError
from readmission.errors import UserError
from readmission.feed.schedule import Window

from .conftest import SIZE, Network, Running


def feed_source(url: str, attempts: int = 4) -> FeedSource:
    return FeedSource(url, SIZE, attempts=attempts, first_wait=0.01)


def same_as_the_file(running: Running, source: FeedSource) -> None:
    for number in range(1, running.source.batches + 1):
        ours, theirs = source.batch(number), running.source.batch(number)
        assert ours.frame.equals(theirs.frame)
        assert list(ours.frame.index) == list(theirs.frame.index)
        assert ours.unreadable == theirs.unreadable


def test_the_feed_gives_the_rows_of_the_file(running: Running) -> None:
    source = feed_source(running.url)
    assert (source.batches, source.sha256, source.synthetic) == (4, running.source.sha256, False)
    same_as_the_file(running, source)
    with pytest.raises(UserError, match="not batch 5"):
        source.batch(5)


def test_a_cut_in_the_middle_is_taken_up_at_the_byte(running: Running, network: Network) -> None:
    network.damage = lambda data, number: data[: len(data) // 2] if number in (1, 2) else data
    assert feed_source(network.url).batch(1).frame.equals(running.source.batch(1).frame)
    ranges = [[line for line in r.split(b"\r\n") if line.lower().startswith(b"range")] for r in network.requests]
    assert ranges[0] == []
    assert len(ranges) == 3
    assert 0 < int(ranges[1][0].split(b"=")[1][:-1]) < int(ranges[2][0].split(b"=")[1][:-1])


def test_wrong_bytes_are_refused_and_fetched_again(running: Running, network: Network) -> None:
    network.damage = lambda data, number: data[:-20] + bytes(20) if number == 1 else data
    same_as_the_file(running, feed_source(network.url))
    network.damage = lambda data, number: data[:-20] + bytes(20)
    with pytest.raises(UserError, match=r"did not deliver batch 1: .*sha256"):
        feed_source(network.url).batch(1)


def test_server_errors_and_dead_connections_are_tried_again(running: Running, network: Network) -> None:
    answers = [
        b"",
        b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n<html>",
    ]
    network.damage = lambda data, number: answers[number - 1] if number <= len(answers) else data
    assert feed_source(network.url).batch(2).rows_read == SIZE
    assert len(network.requests) == 4


def test_a_closed_feed_offers_nothing_and_is_no_error(running: Running) -> None:
    running.feed.window = Window.parse("09:00-23:55", "America/Lima")
    running.clock.now = running.clock.now.replace(hour=12)
    assert feed_source(running.url).batches == 0


def test_a_feed_that_closes_before_the_download_is_closed_at_once(running: Running) -> None:
    source = feed_source(running.url)
    assert source.batches == 4
    running.feed.window = Window.parse("09:00-23:55", "America/Lima")
    running.clock.now = running.clock.now.replace(hour=12)
    with pytest.raises(SourceClosedError, match="batch 1 is taken then"):
        source.batch(1)


def test_no_feed_another_service_and_another_batch_size_are_named(running: Running) -> None:
    with pytest.raises(UserError, match=r"http://127.0.0.1:1 did not answer"):
        _ = feed_source("http://127.0.0.1:1", attempts=2).batches
    with pytest.raises(UserError, match="is not a feed"):
        _ = feed_source(f"{running.url}/get_data?x=").batches
    with pytest.raises(UserError, match="READMISSION_BATCH_SIZE is 7"):
        _ = FeedSource(running.url, 7).batches

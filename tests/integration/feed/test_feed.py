"""The feed's answers over HTTP."""

import csv
import gzip
import hashlib
import io
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from readmission import contract
from readmission.errors import UserError
from readmission.feed import serve
from readmission.feed.chunks import Chunks
from readmission.feed.schedule import Window
from readmission.settings import Settings
from tests.metrics_page import documented

from .conftest import SIZE, Running


def test_walking_the_cursor_gives_every_line_once(running: Running) -> None:
    lines, after = [], 0
    while (answer := httpx.get(f"{running.url}/batches/next", params={"after": after})).status_code == 200:
        header, *body = answer.content.splitlines(keepends=True)
        assert len(body) == int(answer.headers["X-Batch-Rows"])
        lines += body
        after = int(answer.headers["X-Batch"])
        assert answer.headers["X-Batch-Last"] == str(after == 4).lower()
    assert (answer.status_code, answer.headers["X-Feed-Complete"]) == (204, "true")
    assert header + b"".join(lines) == running.source.content


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_forms_say_the_same_and_carry_their_hash(running: Running, form: str, encoding: str) -> None:
    with httpx.stream(
        "GET", f"{running.url}/batches/next?after=2&format={form}", headers={"Accept-Encoding": encoding}
    ) as answer:
        sent = b"".join(answer.iter_raw())
    assert answer.headers["ETag"] == f'"{hashlib.sha256(sent).hexdigest()}"'
    text = (gzip.decompress(sent) if encoding == "gzip" else sent).decode()
    records = (
        [json.loads(line) for line in text.splitlines()]
        if form == "ndjson"
        else list(csv.DictReader(io.StringIO(text)))
    )
    frame = running.source.batch(3).frame[list(contract.COLUMN_NAMES)]
    assert records == frame.to_dict("records")


def test_a_range_goes_on_where_it_was_cut_and_a_known_batch_is_not_sent_again(running: Running) -> None:
    url = f"{running.url}/batches/next?after=0"
    whole = httpx.get(url, headers={"Accept-Encoding": "identity"})
    etag = whole.headers["ETag"]
    rest = httpx.get(url, headers={"Accept-Encoding": "identity", "Range": "bytes=1000-", "If-Range": etag})
    assert (rest.status_code, rest.content) == (206, whole.content[1000:])
    stale = httpx.get(url, headers={"Accept-Encoding": "identity", "Range": "bytes=1000-", "If-Range": '"old"'})
    assert (stale.status_code, stale.content) == (200, whole.content)
    unchanged = httpx.get(url, headers={"Accept-Encoding": "identity", "If-None-Match": etag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_batches_come_one_an_interval_and_a_restart_changes_nothing(running: Running) -> None:
    running.feed.interval = timedelta(minutes=5)
    early = httpx.get(f"{running.url}/batches/next?after=1")
    assert (early.status_code, early.headers["X-Feed-Complete"]) == (204, "false")
    assert 299 <= int(early.headers["Retry-After"]) <= 301
    running.clock.now += timedelta(minutes=5)
    assert httpx.get(f"{running.url}/batches/next?after=1").headers["X-Batch"] == "2"
    assert httpx.get(f"{running.url}/get_data").headers["X-Batch"] == "2"
    again = replace(running.feed, registry=CollectorRegistry())
    assert again.schedule == running.feed.schedule
    running.clock.now += timedelta(days=1)
    assert httpx.get(f"{running.url}/status").json()["available"] == 4


def test_closed_hours_say_when_to_come_back(running: Running) -> None:
    running.feed.window = Window.parse("09:00-23:55", "America/Lima")
    running.clock.now = running.clock.now.replace(hour=13, minute=59)  # 08:59 in Lima
    for path in ("/batches/next", "/get_data"):
        answer = httpx.get(running.url + path)
        assert answer.status_code == 503
        assert 60 <= int(answer.headers["Retry-After"]) <= 61
        assert answer.json()["opens_at"] == "2026-03-02T09:00:00-05:00"
    assert httpx.get(f"{running.url}/status").json()["open"] is False
    running.clock.now += timedelta(minutes=1)
    assert httpx.get(f"{running.url}/batches/next").status_code == 200


def test_reset_asks_for_the_token(running: Running) -> None:
    running.feed.interval = timedelta(minutes=5)
    running.clock.now += timedelta(hours=1)
    assert httpx.get(f"{running.url}/reset").status_code == 405
    assert httpx.post(f"{running.url}/reset").status_code == 401
    assert httpx.post(f"{running.url}/reset", headers={"Authorization": "Bearer Secret"}).status_code == 401
    assert httpx.get(f"{running.url}/status").json()["available"] == 4
    answer = httpx.post(f"{running.url}/reset", headers={"Authorization": "Bearer secret"})
    assert (answer.status_code, answer.json()["available"]) == (200, 1)
    running.feed.token = None
    assert httpx.post(f"{running.url}/reset", headers={"Authorization": "Bearer x"}).status_code == 403


@pytest.mark.parametrize(
    ("query", "field"),
    [("after=x", "after"), ("after=-1", "after"), ("after=٣", "after"), ("format=xml", "format")],
)
def test_a_bad_request_is_told_what_is_allowed(running: Running, query: str, field: str) -> None:
    answer = httpx.get(f"{running.url}/batches/next?{query}")
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert error["problem"] and error["allowed"]


def test_the_page_lists_every_metric_with_type_unit_and_labels(running: Running) -> None:
    httpx.get(f"{running.url}/batches/next")
    families = text_string_to_metric_families(httpx.get(f"{running.url}/metrics").text)
    real = {
        family.name + ("_total" if family.type == "counter" else ""): (
            family.type,
            {label for sample in family.samples for label in sample.labels},
        )
        for family in families
        if not family.name.endswith("_created")  # prometheus_client's own
    }
    assert documented("Feed") == real


def test_metrics_and_probes_tell_the_truth(running: Running) -> None:
    httpx.get(f"{running.url}/batches/next?after=9")
    text = httpx.get(f"{running.url}/metrics").text
    assert 'readmission_feed_requests_total{code="204",route="/batches/next"} 1.0' in text
    assert "readmission_feed_available_batches 4.0" in text
    assert httpx.get(f"{running.url}/livez").status_code == 200
    assert httpx.get(f"{running.url}/readyz").status_code == 200
    (running.feed.chunks.folder / "0001.csv").unlink()
    assert httpx.get(f"{running.url}/readyz").status_code == 503


def test_cutting_again_finds_what_is_there_and_a_broken_cut_is_not_taken(running: Running, tmp_path: Path) -> None:
    folder = running.feed.chunks.folder
    before = (folder / "0001.csv").stat().st_mtime_ns
    (folder.parent / "cutting-killed").mkdir()
    assert Chunks.cut(running.source, folder.parent, SIZE) == running.feed.chunks
    assert (folder / "0001.csv").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("feed_opening", "9 to 5"),
        ("feed_opening", "09:00-09:00"),
        ("feed_zone", "Peru/Lima"),
        ("feed_source", "feed+x"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, setting: str, value: str) -> None:
    values: dict[str, Any] = {setting: value}
    settings = Settings(home=tmp_path, **values)
    with pytest.raises(UserError, match=f"READMISSION_{setting.upper()}"):
        serve.run(settings)

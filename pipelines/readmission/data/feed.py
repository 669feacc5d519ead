"""The feed as a source of ingest: batches over HTTP, whatever the network does on the way."""

import gzip
import hashlib
import io
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import httpx
import pandas as pd
from tenacity import (
    Retrying,
    before_sleep_log,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from readmission.data.sources import RawBatch, SourceClosedError, UnreadableLine, parse
from readmission.errors import UserError

log = logging.getLogger(__name__)
T = TypeVar("T")

#: A transfer that stands still this long is cut and taken up again.
TIMEOUT = httpx.Timeout(30.0, connect=5.0)


class UnfinishedError(Exception):
    """Delivery that must be retried: the answer is no batch, or its bytes are not those announced."""


class FeedSource:
    """Batches of a feed (`readmission feed`).

    A cut, a server error or wrong bytes are tried again, `attempts` times with growing pauses from
    `first_wait` seconds; a download goes on at the byte where it was cut and its hash is verified.

    Attributes:
        name: URL of the feed.
    """

    def __init__(self, url: str, batch_size: int, *, attempts: int = 8, first_wait: float = 0.5) -> None:
        self.name = url.rstrip("/")
        self._size = batch_size
        self._attempts = attempts
        self._first_wait = first_wait

    @property
    def sha256(self) -> str:
        """Return the hash of the feed's whole source: the same rows from a file are the same batches."""
        return str(self._status["source_sha256"])

    @property
    def synthetic(self) -> bool:
        """Whether the feed's source is marked as synthetic."""
        return bool(self._status["synthetic"])

    @property
    def batches(self) -> int:
        """Count the batches that can be taken now: none while the feed is closed."""
        status = self._status
        if not status["open"]:
            log.info("the feed is closed until %s", status["opens_at"])
            return 0
        if status["next_at"]:
            log.info(
                "the feed gives batch %d of %d at %s",
                status["available"] + 1,
                status["batches"],
                status["next_at"],
            )
        return int(status["available"])

    @property
    def batch_hashes(self) -> Sequence[str]:
        """Return the hash of each batch's csv; empty if the feed is of a version that does not announce them."""
        return list(self._status.get("batch_sha256", ()))

    def batch(self, number: int) -> RawBatch:
        """Return one batch.

        Raises:
            SourceClosedError: The feed has closed since it was asked for its status.
            UserError: The feed has no such batch now, did not deliver, or sent something that is not a table.
        """
        if not 1 <= number <= self.batches:
            raise UserError(f"The feed at {self.name} offers batches 1 to {self.batches} now, not batch {number}.")
        with httpx.Client(base_url=self.name, timeout=TIMEOUT) as client:
            download = _Download(client, number)
            content = self._retrying(download.advance, f"deliver batch {number}")
        log.info("batch %d of the feed: %d bytes, hash verified", number, len(download.body))
        table, unreadable = parse(content, f"batch {number} of {self.name}")
        first = (number - 1) * self._size
        bad = [UnreadableLine(first + u.row_number, u.text, u.expected, u.fields) for u in unreadable]
        total = table.num_rows + len(bad)
        numbers = sorted(set(range(first + 1, first + total + 1)) - {line.row_number for line in bad})
        frame = table.to_pandas()
        frame.index = pd.Index(numbers, name="row_number")
        return RawBatch(number, frame, bad, hashlib.sha256(content).hexdigest())

    @cached_property
    def _status(self) -> dict[str, Any]:
        def ask() -> dict[str, Any]:
            with httpx.Client(base_url=self.name, timeout=TIMEOUT) as client:
                answer = client.get("/status")
            if answer.status_code != 200:
                raise UnfinishedError(f"it answered {answer.status_code} {answer.reason_phrase}")
            try:
                status: dict[str, Any] = answer.json()
                status["batch_size"]
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(f"{self.name} answers, but is not a feed (`readmission feed`).") from error
            return status

        status = self._retrying(ask, "answer")
        if status["batch_size"] != self._size:
            raise UserError(
                f"The feed at {self.name} cuts batches of {status['batch_size']} rows, but "
                f"READMISSION_BATCH_SIZE is {self._size}: set both the same."
            )
        return status

    def _retrying(self, action: Callable[[], T], what: str) -> T:
        retrying = Retrying(
            retry=retry_if_exception_type((httpx.TransportError, UnfinishedError)),
            stop=stop_after_attempt(self._attempts),
            wait=wait_exponential_jitter(multiplier=self._first_wait, max=30),
            before_sleep=before_sleep_log(log, logging.WARNING),
            reraise=True,
        )
        try:
            return retrying(action)
        except (httpx.TransportError, httpx.InvalidURL, UnfinishedError) as error:
            raise UserError(f"The feed at {self.name} did not {what}: {error}") from error


@dataclass
class _Download:
    """One batch on its way: what has arrived is kept between attempts."""

    client: httpx.Client
    number: int
    etag: str = ""
    body: bytearray = field(default_factory=bytearray)

    def advance(self) -> bytes:
        """Ask for the bytes that are missing; return the batch's csv once it is whole and verified."""
        headers = {"Accept": "text/csv", "Accept-Encoding": "gzip"}
        if self.body:
            headers |= {"Range": f"bytes={len(self.body)}-", "If-Range": self.etag}
        url, params = "/batches/next", {"after": self.number - 1}
        with self.client.stream("GET", url, params=params, headers=headers) as answer:
            if answer.status_code != 206:
                self.body.clear()
            if answer.status_code == 503 and (opens := _opening(answer)):
                raise SourceClosedError(f"The feed has closed until {opens}; batch {self.number} is taken then.")
            if answer.status_code not in (200, 206):
                raise UnfinishedError(f"it answered {answer.status_code} {answer.reason_phrase}")
            self.etag = answer.headers.get("ETag", "")
            for piece in answer.iter_raw():
                self.body += piece
        digest = hashlib.sha256(self.body).hexdigest()
        if f'"{digest}"' != self.etag or answer.headers.get("X-Batch") != str(self.number):
            self.body.clear()
            raise UnfinishedError(
                f"batch {self.number} arrived with sha256 {digest}, announced was {self.etag or 'none'}"
            )
        return gzip.GzipFile(fileobj=io.BytesIO(self.body)).read()


def _opening(answer: httpx.Response) -> str:
    """Return when a closed feed opens, as its answer says; empty if the answer is another error."""
    try:
        return str(json.loads(answer.read())["opens_at"])
    except (ValueError, KeyError, TypeError):
        return ""

"""Answer many encounters: one JSON request, or a stream of NDJSON or CSV of any length in bounded memory.

Every piece of work is cut into parts of a few milliseconds and lets single predictions through in between.
"""

import asyncio
import csv
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import msgspec
from msgspec import Raw

from readmission.contract import CLASSES
from readmission.scorer import Scorer
from serving import http
from serving.http import Receive, Refused, Reply, Scope, Send
from serving.predict import batches, encounter
from serving.predict.batches import Scored
from serving.predict.encounter import Invalid, Problem, Values
from serving.predict.loaded_models import Served
from serving.predict.predictor import EXCLUDED, Predictor, encode

_LINES, _PART = 500, 1250  # of a stream, and records of a JSON request, scored at a time
_LINE = 65_536
#: Batches that may wait for their turn, before their body is read, and for how many seconds.
_WAITING, _PATIENCE = 16, 1.0
_BUSY = http.sentence(503, "other batches are being scored", (b"retry-after", b"1"))
_CSV = ("prediction_id", "prediction", *CLASSES, "risk_band", "model_version", "missing", "error")


class Records(msgspec.Struct, forbid_unknown_fields=True):
    """Hold the body of POST /predict_batch."""

    records: list[Raw]


class Failed(msgspec.Struct, frozen=True):
    """Hold the problems of one record."""

    index: int
    errors: Sequence[Problem]


_decode = msgspec.json.Decoder(Records).decode


class Batch:
    """Answer POST /predict_batch.

    Args:
        predictor: scores and keeps the books.
        max_body: bytes of a JSON batch.
        max_records: records of a JSON batch.
    """

    def __init__(self, predictor: Predictor, max_body: int, max_records: int) -> None:
        self._predictor = predictor
        self._max_body, self._max_records = max_body, max_records
        # Two at a time: one is received while the other is scored. A few wait a moment; the rest is told to come back.
        self._places = asyncio.Semaphore(2)
        self._waiting = 0
        # One thread: nearly all of the work holds Python's lock, and more would only wait for each other.
        self._thread = ThreadPoolExecutor(1, "batch")

    async def __call__(self, scope: Scope, receive: Receive, send: Send, given: bytes) -> Reply | None:
        """Answer in the format of the request."""
        await self._enter()
        try:
            kind = http.header(scope["headers"], b"content-type").partition(b";")[0].strip().lower()
            model = self._predictor.champion
            if kind == b"application/x-ndjson":
                await http.send_stream(send, kind, self._ndjson(receive, model, given), given, _json_line)
                return None
            if kind == b"text/csv":
                await http.send_stream(send, kind, self._csv(receive, model, given), given, _csv_refusal)
                return None
            return await self._json(await http.whole_body(receive, self._max_body), model, given)
        finally:
            self._places.release()

    async def _enter(self) -> None:
        """Take a place, at once or after a moment.

        Raises:
            Refused: too many wait already, or none became free in time.
        """
        if self._waiting >= _WAITING:
            raise Refused(_BUSY, "busy")
        self._waiting += 1
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._places.acquire()
        except TimeoutError:
            raise Refused(_BUSY, "busy") from None
        finally:
            self._waiting -= 1

    async def _json(self, body: bytes, model: Served, given: bytes) -> Reply:
        started = perf_counter()
        try:
            records = _decode(body).records
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            allowed = '{"records": [...]} with one JSON object an encounter'
            return http.reply(400, {"errors": [Problem("records", "json", allowed)]})
        if not 1 <= len(records) <= self._max_records:
            allowed = f"1 to {self._max_records:,} records; NDJSON has no limit"
            return http.reply(400, {"errors": [Problem("records", "size", allowed)]})
        parts = [self._score(model.scorer, records[i : i + _PART], i) for i in range(0, len(records), _PART)]
        answers: list[bytes] = []
        failures: list[Failed] = []
        for part in parts:
            scored, failed = await part
            failures += failed
            answers += self._answers(scored, failed, model, given, started)
        await self._predictor.settle()
        head = {"model_name": model.name, "model_version": model.version, "synthetic": model.scorer.manifest.synthetic}
        rest = encode({"errors": failures, **head})[1:]
        return Reply(200, b'{"predictions":[' + b",".join(answers) + b"]," + rest)

    def _score(
        self, scorer: Scorer, records: Sequence[Any], start: int
    ) -> "asyncio.Future[tuple[Scored, list[Failed]]]":
        """Begin to decode and score some records of JSON."""

        def score() -> tuple[Scored, list[Failed]]:
            inputs, rows, failed = _decoded(records, start)
            return batches.score(scorer, inputs, rows), failed

        return asyncio.get_running_loop().run_in_executor(self._thread, score)

    def _answers(
        self, scored: Scored, failed: list[Failed], model: Served, given: bytes, started: float
    ) -> Iterator[bytes]:
        """Write a part down; return its answers in JSON."""
        for failure in failed:
            self._predictor.metrics.refused(failure.errors)
        ids = self._predictor.book(scored, model, given, started)
        return batches.answers(scored, ids, self._predictor.ids.stamp, model, EXCLUDED)

    async def _ndjson(self, receive: Receive, model: Served, given: bytes) -> AsyncIterator[bytes]:
        index = 0
        async for lines in _parts(receive):
            started = perf_counter()
            scored, failed = await self._score(model.scorer, lines, index)
            answers = self._answers(scored, failed, model, given, started)
            await self._predictor.settle()
            problems = {failure.index: encode(failure) for failure in failed}
            places = range(index, index + len(lines))
            yield b"".join((problems.get(i) or next(answers)) + b"\n" for i in places)
            index += len(lines)

    async def _csv(self, receive: Receive, model: Served, given: bytes) -> AsyncIterator[bytes]:
        names: list[str] = []
        async for lines in _parts(receive):
            table = [_cells(line) for line in lines]
            if not names:
                names = table.pop(0)
                yield _csv_line(_CSV)
            yield await self._csv_part(names, table, model, given)

    async def _csv_part(self, names: list[str], table: list[list[str]], model: Served, given: bytes) -> bytes:
        started = perf_counter()
        rows: list[Values] = []
        lines: list[bytes | None] = []
        for cells in table:
            try:
                rows.append(encounter.from_text(dict(zip(names, cells, strict=False))))
                lines.append(None)
            except Invalid as invalid:
                self._predictor.metrics.refused(invalid.problems)
                told = "; ".join(f"{p.field}: {p.problem} (allowed: {p.allowed})" for p in invalid.problems)
                lines.append(_csv_refusal(told))
        inputs = [encode(encounter.as_request(values)) for values in rows]
        run = asyncio.get_running_loop().run_in_executor
        scored = await run(self._thread, batches.score, model.scorer, inputs, rows)
        answers = _csv_answers(scored, self._predictor.book(scored, model, given, started), model)
        await self._predictor.settle()
        return b"".join(line if line is not None else next(answers) for line in lines)


def _decoded(records: Sequence[Any], start: int) -> tuple[list[Any], list[Values], list[Failed]]:
    """Decode some records of JSON: the valid ones as they came and as values, and what is wrong with the others."""
    inputs: list[Any] = []
    rows: list[Values] = []
    failed: list[Failed] = []
    for index, record in enumerate(records, start):
        try:
            rows.append(encounter.decode(record))
            inputs.append(record)
        except Invalid as invalid:
            failed.append(Failed(index, invalid.problems))
    return inputs, rows, failed


def _csv_answers(scored: Scored, ids: Sequence[str], model: Served) -> Iterator[bytes]:
    for name, position, shares, mask in zip(ids, scored.positions, scored.shares.tolist(), scored.absent, strict=True):
        start = (name, CLASSES[position], *(f"{share:.9f}" for share in shares), model.band(shares[-1]))
        yield _csv_line((*start, model.version, " ".join(batches.names(int(mask))), ""))


def _cells(line: bytes) -> list[str]:
    """Read one line of CSV; one that is none has no cells, and so misses every required column."""
    try:
        return next(csv.reader([line.decode("utf-8-sig", errors="replace").rstrip("\r")], strict=True), [])
    except csv.Error:
        return []


def _json_line(reason: str) -> bytes:
    return encode({"error": reason}) + b"\n"


def _csv_refusal(reason: str) -> bytes:
    return _csv_line((*("" for _ in _CSV[1:]), reason))


def _csv_line(cells: Sequence[str]) -> bytes:
    quoted = ('"' + cell.replace('"', '""') + '"' if any(mark in cell for mark in ',"\n') else cell for cell in cells)
    return ",".join(quoted).encode() + b"\r\n"


async def _parts(receive: Receive) -> AsyncIterator[list[bytes]]:
    """Yield the lines of a body, some at a time; empty lines are left out.

    Raises:
        Refused: a line is longer than 64 KiB.
    """
    rest = b""
    waiting: list[bytes] = []
    async for chunk in http.chunks_of(receive):
        *whole, rest = (rest + chunk).split(b"\n")
        if max(map(len, (*whole, rest))) > _LINE:
            if waiting:
                yield waiting
            raise http.too_large(_LINE)
        waiting += (line for line in whole if line.strip())
        while len(waiting) >= _LINES:
            yield waiting[:_LINES]
            del waiting[:_LINES]
            await asyncio.sleep(0)
    if rest.strip():
        waiting.append(rest)
    if waiting:
        yield waiting

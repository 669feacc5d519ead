"""POST /predict_batch: one JSON request, or a stream of NDJSON or CSV of any length in bounded memory.

All work is cut into parts of a few milliseconds, and single predictions are answered in between.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Annotated, TypeVar, cast

import msgspec
from msgspec import Meta, Raw
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from readmission.contract import CLASSES
from readmission.scorer import Scorer
from serving import http
from serving.edge.turns import Turns
from serving.http import JsonResponse, StreamResponse
from serving.predict import batches, csv_rows, encounter
from serving.predict.answers import Answer, encode
from serving.predict.batches import ScoredBatch
from serving.predict.encounter import Aliased, Invalid, Problem, Values
from serving.predict.loaded_models import LoadedModel
from serving.predict.predictor import EXCLUDED, Predictor
from serving.routes.lines import groups_of_lines, read_csv_line, write_csv_line
from serving.routes.states import Failed

#: Lines of a stream, and records of a JSON request, that are scored at a time.
_LINES, _RECORDS = 500, 1250
#: Valid records that are scored in the event loop: less than a millisecond of work, for which a switch to the thread
#: and back would add a quarter; the thread would hold Python's lock as long. Wrong records take 0.4 ms each to explain.
_INLINE = 125
_T = TypeVar("_T")
#: What was scored, and the problems of the rest.
_Scored = tuple[ScoredBatch, list[Failed]]
_CSV = ("prediction_id", "prediction", *CLASSES, "risk_band", "model_version", "missing", "error")


#: A record is decoded apart, so that a wrong one does not refuse the others; the schema describes it all the same.
_Record = Annotated[Raw, Meta(extra_json_schema={"$ref": "#/components/schemas/Encounter"})]


class Records(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST /predict_batch in JSON."""

    records: Annotated[list[_Record], Meta(extra_json_schema={"minItems": 1})]


class Answers(msgspec.Struct, kw_only=True):
    """Answer to POST /predict_batch in JSON."""

    predictions: list[Answer]
    errors: list[Failed]
    model_name: str
    model_version: str
    synthetic: Annotated[bool, Meta(description="Whether the model was trained on invented data.")]


_decode = msgspec.json.Decoder(Records).decode


class PredictBatch:
    """ASGI application of POST /predict_batch.

    Args:
        predictor: Models and records of this worker.
        max_body: Largest JSON batch in bytes.
        max_records: Most records of a JSON batch.
    """

    def __init__(self, predictor: Predictor, max_body: int, max_records: int) -> None:
        self._predictor = predictor
        self._max_records = max_records
        self._turns = Turns(max_body)
        # One thread: nearly all of the work holds Python's lock, and more threads would only wait for each other.
        self._thread = ThreadPoolExecutor(1, "batch")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in the format of the request."""
        self._turns.check()
        response = await self._respond(scope, receive)
        await response(scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive) -> ASGIApp:
        request_id = http.request_id(scope["headers"])
        content_type = (
            http.header(scope["headers"], b"content-type").partition(b";")[0].strip().lower().decode("latin-1")
        )
        model = self._predictor.champion
        if content_type in ("application/x-ndjson", "text/csv"):
            # Status 200 is sent before the first part, so a busy service must say so now.
            async with self._turns.first():
                pass
        match content_type:
            case "application/x-ndjson":
                return StreamResponse(content_type, self._ndjson(receive, model, request_id), _json_line)
            case "text/csv":
                return StreamResponse(content_type, self._csv(receive, model, request_id), _csv_refusal)
        async with self._turns.body(receive) as body, self._turns.first():
            return await self._json(body, model, request_id)

    async def _json(self, body: bytes, model: LoadedModel, request_id: bytes) -> Response:
        started = perf_counter()
        try:
            records = _decode(body).records
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            allowed = '{"records": [...]} with one JSON object an encounter'
            return JsonResponse({"errors": [Problem("records", "json", allowed)]}, 400)
        if not 1 <= len(records) <= self._max_records:
            allowed = f"1 to {self._max_records:,} records; NDJSON has no limit"
            return JsonResponse({"errors": [Problem("records", "size", allowed)]}, 400)
        answers: list[bytes] = []
        failures: list[Failed] = []
        async for scored, failed in self._parts(model, records):
            failures += failed
            answers += self._answers(scored, failed, model, request_id, started)
        await self._predictor.settle()
        content = Answers(
            # Encoded already, without an object for each answer.
            predictions=cast(list[Answer], Raw(b"[%b]" % b",".join(answers))),
            errors=failures,
            model_name=model.name,
            model_version=model.version,
            synthetic=model.scorer.manifest.synthetic,
        )
        return JsonResponse(content)

    async def _parts(self, model: LoadedModel, records: Sequence[Raw]) -> AsyncIterator[_Scored]:
        """Score the records of a JSON request a part at a time: a few valid ones here, others in the thread."""
        few = model.inline and len(records) <= _INLINE
        if few and (columns := batches.decode(records)) is not None:
            yield batches.score(model.scorer, records, columns), []
            return
        starts = range(0, len(records), _RECORDS)
        parts = [(_score_values, model.scorer, records[start : start + _RECORDS], start) for start in starts]
        for scored in [self._in_thread(*part) for part in parts]:
            yield await scored

    def _in_thread(self, function: Callable[..., _T], *arguments: object) -> "asyncio.Future[_T]":
        return asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def _answers(
        self, scored: ScoredBatch, failed: list[Failed], model: LoadedModel, request_id: bytes, started: float
    ) -> Iterator[bytes]:
        """Record a part; return its answers in JSON."""
        for failure in failed:
            self._predictor.metrics.refused(failure.errors)
        prediction_ids = self._predictor.record_batch(scored, model, request_id, started)
        return batches.answers(scored, prediction_ids, self._predictor.ids.stamp, model, EXCLUDED)

    async def _ndjson(self, receive: Receive, model: LoadedModel, request_id: bytes) -> AsyncIterator[bytes]:
        start = 0
        async for lines in groups_of_lines(receive, _LINES):
            started = perf_counter()
            async with self._turns.next():
                scored, failed = await self._in_thread(_score_each, model.scorer, lines, start)
                answers = self._answers(scored, failed, model, request_id, started)
            await self._predictor.settle()
            failures = {failure.index: encode(failure) for failure in failed}
            indices = range(start, start + len(lines))
            yield b"".join((failures.get(index) or next(answers)) + b"\n" for index in indices)
            start += len(lines)

    async def _csv(self, receive: Receive, model: LoadedModel, request_id: bytes) -> AsyncIterator[bytes]:
        names: list[str] = []
        async for lines in groups_of_lines(receive, _LINES):
            table = [read_csv_line(line) for line in lines]
            if not names:
                names = table.pop(0)
                yield write_csv_line(_CSV)
                if problems := csv_rows.header_problems(names):
                    self._predictor.metrics.refused(problems)
                    yield _csv_refusal("; ".join(map(_sentence, problems)))
                    return
            async with self._turns.next():
                part = await self._csv_part(names, table, model, request_id)
            yield part

    async def _csv_part(self, names: list[str], table: list[list[str]], model: LoadedModel, request_id: bytes) -> bytes:
        started = perf_counter()
        rows: list[Values] = []
        lines: list[bytes | None] = []
        inputs: list[bytes] = []
        for cells in table:
            row = dict(zip(names, cells, strict=False))
            try:
                if len(cells) > len(names):
                    raise Invalid([Problem("", "size", f"{len(names)} cells, as the header has")])
                rows.append(csv_rows.read(row))
                inputs.append(encode(csv_rows.as_request(row)))
                lines.append(None)
            except Invalid as invalid:
                self._predictor.metrics.refused(invalid.problems)
                lines.append(_csv_refusal("; ".join(map(_sentence, invalid.problems))))
        scored = await self._in_thread(batches.score, model.scorer, inputs, batches.to_columns(rows))
        prediction_ids = self._predictor.record_batch(scored, model, request_id, started)
        answers = _csv_answers(scored, prediction_ids, model)
        await self._predictor.settle()
        return b"".join(line if line is not None else next(answers) for line in lines)


def _score_values(scorer: Scorer, records: Sequence[Raw], start: int) -> _Scored:
    """Decode and score some JSON values of a request: at once if all are valid, else one by one."""
    columns = batches.decode(records)
    if columns is None:
        return _score_each(scorer, records, start)
    return batches.score(scorer, records, columns), []


def _score_each(scorer: Scorer, records: Sequence[bytes | Raw], start: int) -> _Scored:
    """Decode and score the valid ones of some records; list the problems of the others."""
    inputs: list[bytes | Raw] = []
    rows: list[Values] = []
    notes: dict[int, list[str]] = {}
    failed: list[Failed] = []
    for index, record in enumerate(records, start):
        try:
            values = encounter.decode(record)
        except Invalid as invalid:
            failed.append(Failed(index, invalid.problems))
            continue
        if isinstance(values, Aliased):
            notes[len(rows)] = values.notes
            record = values.body
        rows.append(values)
        inputs.append(record)
    return batches.score(scorer, inputs, batches.to_columns(rows), notes), failed


def _csv_answers(scored: ScoredBatch, prediction_ids: Sequence[str], model: LoadedModel) -> Iterator[bytes]:
    rows = zip(prediction_ids, scored.positions, scored.shares.tolist(), scored.absent, strict=True)
    for prediction_id, position, shares, mask in rows:
        start = (prediction_id, CLASSES[position], *(f"{share:.9f}" for share in shares), model.band(shares[-1]))
        yield write_csv_line((*start, model.version, " ".join(batches.names(int(mask))), ""))


def _sentence(problem: Problem) -> str:
    near = f"; nearest: {problem.nearest}" if problem.nearest is not None else ""
    return f"{problem.field}: {problem.problem} (allowed: {problem.allowed}{near})"


def _json_line(reason: str) -> bytes:
    return encode({"error": reason}) + b"\n"


def _csv_refusal(reason: str) -> bytes:
    return write_csv_line((*("" for _ in _CSV[1:]), reason))

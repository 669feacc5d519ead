"""POST /feedback: outcomes of patients, by the ids of their predictions."""

import asyncio
import contextvars
import errno
import logging
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from readmission.contract import CLASSES
from readmission.settings import Settings
from serving import http, metrics
from serving.edge.admission import Places
from serving.http import JsonResponse
from serving.predict.answers import PredictionId
from serving.predict.encounter import Problem
from serving.prediction_log import segments
from serving.prediction_log.ids import moment
from serving.prediction_log.outcomes import Outcome, write_outcome
from serving.routes.refusals import Refusal
from serving.routes.states import Failed, Recorded, RecordedMany

MAX_OUTCOMES = 10_000
_MAX_BODY = 4_194_304
#: A prediction this young may not have reached the database yet.
_YOUNG = timedelta(minutes=1)
#: How far a client's clock may run ahead.
_CLOCK_SKEW = timedelta(minutes=5)
#: Requests whose outcomes may be stored at once or wait for it.
PLACES = 64
#: Seconds that a request waits for the database, how many may wait, and for how long none asks after a failure.
_PATIENCE, _LINE, _PAUSE = 5.0, 16, 2.0
log = logging.getLogger(__name__)


_Time = Annotated[datetime, Meta(extra_json_schema={"format": "date-time"})]


class Report(msgspec.Struct, forbid_unknown_fields=True):
    """Outcome as a client sends it."""

    prediction_id: PredictionId
    outcome: Literal[CLASSES]  # type: ignore[valid-type]
    observed_at: Annotated[_Time | None, Meta(description="Not in the future; now if absent.")] = None


_ALLOWED = {
    "prediction_id": "the prediction_id of an answer",
    "outcome": "one of " + ", ".join(map(repr, CLASSES)),
    "observed_at": "a time such as 2026-11-21T08:00:00Z, not in the future; may be absent: now",
}
_decode = msgspec.json.Decoder(Report).decode
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Feedback:
    """Route POST /feedback: one outcome, or a list of them.

    Args:
        settings: Where the database and the spool are.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.home / "spool" / "feedback"
        self._places = Places(PLACES)
        self._waiting_for_database = 0
        self._quiet_until = 0.0
        self._thread = ThreadPoolExecutor(1, "feedback")
        self._store: Any = None

    async def answer(self, request: Request) -> Response:
        """Record outcomes: 200 recorded, 202 kept until its prediction arrives, 404 unknown, 400 not allowed."""
        body = await http.whole_body(request.receive, _MAX_BODY)
        many = body.lstrip()[:1] == b"["
        try:
            records: Sequence[Any] = _split(body) if many else [body]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            records = []
        if not 1 <= len(records) <= MAX_OUTCOMES:
            allowed = f"one outcome, or 1 to {MAX_OUTCOMES:,} in a list"
            return JsonResponse(Refusal([Problem("", "json", allowed)]), 400)
        outcomes: dict[int, Outcome] = {}
        errors: list[Failed] = []
        for index, record in enumerate(records):
            try:
                outcomes[index] = _read(record)
            except ValueError:
                errors.append(Failed(index, _problems(record)))
        if not many and errors:
            return JsonResponse(Refusal(errors[0].errors), 400)
        try:
            with self._places:
                states = await self._record(list(outcomes.values()))
        except OSError as error:
            log.error("outcomes cannot be kept on disk: %s", error.strerror)
            return http.sentence(503, "outcomes cannot be kept now: try again later", {"retry-after": "30"})
        for state in states:
            metrics.feedback.labels(state).inc()
        unknown = Problem("prediction_id", "unknown", "the prediction_id of an answer of this service")
        if not many:
            code = {"recorded": 200, "pending": 202, "unknown": 404}[states[0]]
            return JsonResponse(Recorded(states[0]) if code != 404 else Refusal([unknown]), code)
        pairs = zip(outcomes, states, strict=True)
        errors += [Failed(index, [unknown]) for index, state in pairs if state == "unknown"]
        counts = {state: states.count(state) for state in ("recorded", "pending", "unknown")}
        return JsonResponse(RecordedMany(**counts, errors=errors))

    async def _record(self, outcomes: Sequence[Outcome]) -> list[str]:
        """Store the outcomes of stored predictions; keep on disk those that may find theirs later.

        Raises:
            OSError: The disk has no room for those.
        """
        recorded = await self._store_in_time(outcomes) if outcomes else set[str]()
        return await asyncio.to_thread(self._settle, outcomes, recorded)

    async def _store_in_time(self, outcomes: Sequence[Outcome]) -> set[str] | None:
        """Return the ids of the outcomes that were stored; None if the database does not answer in time."""
        if self._waiting_for_database >= _LINE or time.monotonic() < self._quiet_until:
            return None
        run = contextvars.copy_context().run  # carries the trace id into the thread's log lines
        stored = asyncio.get_running_loop().run_in_executor(self._thread, run, self._store_outcomes, outcomes)
        self._waiting_for_database += 1
        stored.add_done_callback(self._answered)
        try:
            async with asyncio.timeout(_PATIENCE):
                recorded = await asyncio.shield(stored)
        except TimeoutError:
            recorded = None
        if recorded is None:
            self._quiet_until = time.monotonic() + _PAUSE
        return recorded

    def _answered(self, stored: "asyncio.Future[set[str] | None]") -> None:
        self._waiting_for_database -= 1

    def _store_outcomes(self, outcomes: Sequence[Outcome]) -> set[str] | None:
        import psycopg2  # imported only by workers that receive outcomes

        from readmission.errors import UserError
        from serving.sidecar.store import Store

        self._store = self._store or Store(self._settings)
        try:
            recorded: set[str] = self._store.add_outcomes(outcomes)
        except (psycopg2.Error, UserError) as error:
            log.warning("outcomes wait for the database: %s", str(error).strip().splitlines()[0])
            return None
        return recorded

    def _settle(self, outcomes: Sequence[Outcome], recorded: set[str] | None) -> list[str]:
        """Return the state of each outcome, and keep the pending ones on disk."""
        now = datetime.now(UTC)
        states = []
        for outcome in outcomes:
            made = moment(outcome.prediction_id)
            if recorded is not None and outcome.prediction_id in recorded:
                # An earlier outcome that still waits on disk changes nothing: the one that was received last counts.
                states.append("recorded")
            elif made is None or made - now > _CLOCK_SKEW:
                states.append("unknown")
            elif recorded is None or now - made < _YOUNG or self._backlog_reaches(made):
                self._keep(outcome)
                states.append("pending")
            else:
                states.append("unknown")
        return states

    def _backlog_reaches(self, made: datetime) -> bool:
        oldest = segments.measure(self._folder.parent).began if self._folder.parent.is_dir() else None
        return oldest is not None and datetime.fromtimestamp(oldest, UTC) - timedelta(seconds=2) <= made

    def _keep(self, outcome: Outcome) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if not segments.has_room(self._folder):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_outcome(self._folder, outcome)


def _read(record: bytes) -> Outcome:
    """Return one outcome.

    Raises:
        ValueError: It is not allowed.
    """
    try:
        report = _decode(record)
    except (UnicodeDecodeError, RecursionError) as error:
        raise ValueError from error
    now = datetime.now(UTC)
    observed = report.observed_at or now
    if observed.tzinfo is None:
        observed = observed.replace(tzinfo=UTC)
    if moment(report.prediction_id) is None or observed > now + _CLOCK_SKEW:
        raise ValueError
    return Outcome(report.prediction_id, report.outcome, observed, now)


def _problems(record: bytes) -> list[Problem]:
    """Name the fields of an outcome that are not allowed."""
    try:
        fields = msgspec.json.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        return [Problem("", "type", "a JSON object with prediction_id, outcome and observed_at")]
    problems = [Problem(name[:64], "unknown", ", ".join(_ALLOWED)) for name in fields if name not in _ALLOWED]
    required = ("prediction_id", "outcome")
    problems += [Problem(name, "missing", _ALLOWED[name]) for name in required if name not in fields]
    if "prediction_id" in fields and moment(str(fields["prediction_id"])) is None:
        problems.append(Problem("prediction_id", "pattern", _ALLOWED["prediction_id"]))
    if "outcome" in fields and fields["outcome"] not in CLASSES:
        problems.append(Problem("outcome", "level", _ALLOWED["outcome"]))
    return problems or [Problem("observed_at", "range", _ALLOWED["observed_at"])]

"""POST /feedback: outcomes of patients, by the ids of their predictions."""

import asyncio
import contextvars
import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from readmission.contract import CLASSES
from readmission.files import write_atomic
from readmission.settings import Settings
from serving import http, metrics
from serving.http import JsonResponse
from serving.predict.encounter import Problem
from serving.prediction_log.ids import moment

_MAX_OUTCOMES = 10_000
_MAX_BODY = 4_194_304
#: A prediction this young may not have reached the database yet.
_YOUNG = timedelta(minutes=1)
#: How far a client's clock may run ahead.
_CLOCK_SKEW = timedelta(minutes=5)
log = logging.getLogger(__name__)


class Outcome(msgspec.Struct, forbid_unknown_fields=True):
    """Outcome as a client sends it."""

    prediction_id: Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
    outcome: Literal[CLASSES]  # type: ignore[valid-type]
    observed_at: Annotated[datetime | None, Meta(description="Not in the future; now if absent.")] = None


_ALLOWED = {
    "prediction_id": "the prediction_id of an answer",
    "outcome": "one of " + ", ".join(map(repr, CLASSES)),
    "observed_at": "a time such as 2026-11-21T08:00:00Z, not in the future; may be absent: now",
}
_decode = msgspec.json.Decoder(Outcome).decode
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Feedback:
    """Route POST /feedback: one outcome, or a list of them.

    Args:
        settings: Where the database and the spool are.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._waiting = settings.home / "spool" / "feedback"
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
        if not 1 <= len(records) <= _MAX_OUTCOMES:
            allowed = f"one outcome, or 1 to {_MAX_OUTCOMES:,} in a list"
            return JsonResponse({"errors": [Problem("", "json", allowed)]}, 400)
        outcomes: dict[int, tuple[str, str, datetime]] = {}
        errors: list[dict[str, Any]] = []
        for index, record in enumerate(records):
            try:
                outcomes[index] = _read(record)
            except ValueError:
                errors.append({"index": index, "errors": _problems(record)})
        if not many and errors:
            return JsonResponse({"errors": errors[0]["errors"]}, 400)
        loop = asyncio.get_running_loop()
        run = contextvars.copy_context().run  # carries the trace id into the thread's log lines
        states = await loop.run_in_executor(self._thread, run, self._record, list(outcomes.values()))
        for state in states:
            metrics.feedback.labels(state).inc()
        unknown = Problem("prediction_id", "unknown", "the prediction_id of an answer of this service")
        if not many:
            code = {"recorded": 200, "pending": 202, "unknown": 404}[states[0]]
            return JsonResponse({"status": states[0]} if code != 404 else {"errors": [unknown]}, code)
        pairs = zip(outcomes, states, strict=True)
        errors += [{"index": index, "errors": [unknown]} for index, state in pairs if state == "unknown"]
        counts = {state: states.count(state) for state in ("recorded", "pending", "unknown")}
        return JsonResponse({**counts, "errors": errors})

    def _record(self, outcomes: Sequence[tuple[str, str, datetime]]) -> list[str]:
        """Store the outcomes of stored predictions; keep on disk those that may find theirs later."""
        import psycopg2  # imported only by workers that receive outcomes

        from readmission.errors import UserError
        from serving.sidecar.store import Store

        self._store = self._store or Store(self._settings)
        recorded: set[str] | None = None
        if outcomes:
            try:
                recorded = self._store.add_outcomes(outcomes)
            except (psycopg2.Error, UserError) as error:
                log.warning("outcomes wait for the database: %s", str(error).strip().splitlines()[0])
        now = datetime.now(UTC)
        states = []
        for outcome in outcomes:
            made = moment(outcome[0])
            young = made is not None and now - made < _YOUNG
            if recorded is not None and outcome[0] in recorded:
                states.append("recorded")
            elif recorded is None or young or self._backlog_reaches(made):
                self._keep(outcome)
                states.append("pending")
            else:
                states.append("unknown")
        return states

    def _backlog_reaches(self, made: datetime | None) -> bool:
        oldest = min((p.name for p in self._waiting.parent.glob("*.log")), default="")
        began = datetime.fromtimestamp(int(oldest.partition("-")[0]) / 1e9, UTC) if oldest else None
        return made is not None and began is not None and began - timedelta(seconds=2) <= made

    def _keep(self, outcome: tuple[str, str, datetime]) -> None:
        self._waiting.mkdir(parents=True, exist_ok=True)
        prediction_id, name, observed = outcome
        content = json.dumps([prediction_id, name, observed.isoformat()])
        write_atomic(self._waiting / f"{prediction_id}.json", content, sync=True)


def _read(record: bytes) -> tuple[str, str, datetime]:
    """Return one outcome.

    Raises:
        ValueError: It is not allowed.
    """
    try:
        outcome = _decode(record)
    except (UnicodeDecodeError, RecursionError) as error:
        raise ValueError from error
    observed = outcome.observed_at or datetime.now(UTC)
    if observed.tzinfo is None:
        observed = observed.replace(tzinfo=UTC)
    if moment(outcome.prediction_id) is None or observed > datetime.now(UTC) + _CLOCK_SKEW:
        raise ValueError
    return outcome.prediction_id, outcome.outcome, observed


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

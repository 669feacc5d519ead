"""Take outcomes: what really happened to a patient, by the id of the prediction."""

import asyncio
import contextvars
import json
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec

from readmission.contract import CLASSES
from readmission.settings import Settings
from serving import http, metrics
from serving.http import Receive, Reply, Scope, Send
from serving.predict.encounter import Problem
from serving.prediction_log.ids import moment

_LIMIT = 10_000
_MAX_BODY = 4_194_304
#: A prediction this young may still be on its way to the database.
_ON_ITS_WAY = timedelta(minutes=1)
log = logging.getLogger(__name__)


class Outcome(msgspec.Struct, forbid_unknown_fields=True):
    """Hold one outcome as a client sends it."""

    prediction_id: str
    outcome: Literal[CLASSES]  # type: ignore[valid-type]
    observed_at: datetime | None = None


_ALLOWED = {
    "prediction_id": "the prediction_id of an answer",
    "outcome": "one of " + ", ".join(map(repr, CLASSES)),
    "observed_at": "a time such as 2026-11-21T08:00:00Z, not in the future; may be absent: now",
}
_decode = msgspec.json.Decoder(Outcome).decode
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Feedback:
    """Answer POST /feedback: one outcome, or a list of them.

    Args:
        settings: where the database and the spool are.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._waiting = settings.home / "spool" / "feedback"
        self._thread = ThreadPoolExecutor(1, "feedback")
        self._store: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send, given: bytes) -> Reply:
        """Record outcomes: 200 recorded, 202 kept until its prediction arrives, 404 unknown, 400 not allowed."""
        body = await http.whole_body(receive, _MAX_BODY)
        many = body.lstrip()[:1] == b"["
        try:
            records: Sequence[Any] = _split(body) if many else [body]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            records = []
        if not 1 <= len(records) <= _LIMIT:
            return http.reply(400, {"errors": [Problem("", "json", f"one outcome, or 1 to {_LIMIT:,} in a list")]})
        good: dict[int, tuple[str, str, datetime]] = {}
        errors: list[dict[str, Any]] = []
        for index, record in enumerate(records):
            try:
                good[index] = _read(record)
            except ValueError:
                errors.append({"index": index, "errors": _problems(record)})
        if not many and errors:
            return http.reply(400, {"errors": errors[0]["errors"]})
        loop = asyncio.get_running_loop()
        record = contextvars.copy_context().run  # the trace id of its log lines
        states = await loop.run_in_executor(self._thread, record, self._record, list(good.values()))
        for state in states:
            metrics.feedback.labels(state).inc()
        unknown = Problem("prediction_id", "unknown", "the prediction_id of an answer of this service")
        pairs = zip(good, states, strict=True)
        errors += [{"index": index, "errors": [unknown]} for index, state in pairs if state == "unknown"]
        if not many:
            code = {"recorded": 200, "pending": 202, "unknown": 404}[states[0]]
            return http.reply(code, {"status": states[0]} if code != 404 else {"errors": [unknown]})
        counts = {state: states.count(state) for state in ("recorded", "pending", "unknown")}
        return http.reply(200, {**counts, "errors": errors})

    def _record(self, outcomes: Sequence[tuple[str, str, datetime]]) -> list[str]:
        """Store what the database can place; keep on disk what is young or cannot be placed now."""
        import psycopg2  # only who takes outcomes needs it

        from readmission.errors import UserError
        from serving.sidecar.store import Store

        self._store = self._store or Store(self._settings)
        known: set[str] | None = None
        if outcomes:
            try:
                known = self._store.add_outcomes(outcomes)
            except (psycopg2.Error, UserError) as error:
                log.warning("outcomes wait for the database: %s", str(error).strip().splitlines()[0])
        now = datetime.now(UTC)
        states = []
        for outcome in outcomes:
            made = moment(outcome[0])
            young = made is not None and now - made < _ON_ITS_WAY
            if known is not None and outcome[0] in known:
                states.append("recorded")
            elif known is None or young or self._backlog_reaches(made):
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
        path = self._waiting / f"{outcome[0]}.json"
        temporary = Path(f"{path}.{os.getpid()}.part")
        with temporary.open("w") as file:
            json.dump([outcome[0], outcome[1], outcome[2].isoformat()], file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


def _read(record: bytes) -> tuple[str, str, datetime]:
    """Return one outcome; ValueError when it is not allowed."""
    try:
        found = _decode(record)
    except (UnicodeDecodeError, RecursionError) as error:
        raise ValueError from error
    observed = found.observed_at or datetime.now(UTC)
    if observed.tzinfo is None:
        observed = observed.replace(tzinfo=UTC)
    if moment(found.prediction_id) is None or observed > datetime.now(UTC) + timedelta(minutes=5):
        raise ValueError
    return found.prediction_id, found.outcome, observed


def _problems(record: bytes) -> list[Problem]:
    """Name the fields of an outcome that are not allowed."""
    try:
        given = msgspec.json.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        given = None
    if not isinstance(given, dict):
        return [Problem("", "type", "a JSON object with prediction_id, outcome and observed_at")]
    found = [Problem(name[:64], "unknown", ", ".join(_ALLOWED)) for name in given if name not in _ALLOWED]
    required = ("prediction_id", "outcome")
    found += [Problem(name, "missing", _ALLOWED[name]) for name in required if name not in given]
    if "prediction_id" in given and moment(str(given["prediction_id"])) is None:
        found.append(Problem("prediction_id", "pattern", _ALLOWED["prediction_id"]))
    if "outcome" in given and given["outcome"] not in CLASSES:
        found.append(Problem("outcome", "level", _ALLOWED["outcome"]))
    return found or [Problem("observed_at", "range", _ALLOWED["observed_at"])]

"""Outcomes: recorded, kept on disk, or refused; a database that hangs holds up nobody."""

import asyncio
import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message

from readmission.settings import Settings
from serving.http import Refused
from serving.prediction_log import segments
from serving.prediction_log.ids import Ids
from serving.prediction_log.outcomes import Outcome
from serving.routes import feedback
from serving.routes.feedback import Feedback


class Database:
    """Stand-in for the store: it knows every prediction, or it hangs."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.hangs, self.go_on, self.asked = hangs, threading.Event(), 0

    def add_outcomes(self, outcomes: Sequence[Outcome]) -> set[str]:
        self.asked += 1
        if self.hangs:
            self.go_on.wait(20)
        return {outcome.prediction_id for outcome in outcomes}


def route(home: Path, database: Any) -> Feedback:
    made = Feedback(Settings(home=home))
    made._store = database
    return made


def an_id(seconds: float = 0.0) -> str:
    """Return an id of now, or of some seconds later."""
    ids = Ids()
    ids.tick()
    made = ids.new()
    moment = int(made[:8] + made[9:13], 16) + int(1000 * seconds)
    return f"{moment >> 16:08x}-{moment & 0xFFFF:04x}" + made[13:]


async def ask(feedback_route: Feedback, prediction_id: str) -> tuple[int, Any]:
    body = json.dumps({"prediction_id": prediction_id, "outcome": "NO"}).encode()

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {"type": "http", "method": "POST", "path": "/feedback", "headers": [], "query_string": b""}
    response = await feedback_route.answer(Request(scope, receive))
    return response.status_code, json.loads(bytes(response.body))


def test_a_database_that_hangs_is_not_waited_for_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "_PATIENCE", 0.2)
    database = Database(hangs=True)
    made = route(tmp_path, database)

    async def run() -> None:
        began = time.monotonic()
        assert (await ask(made, an_id()))[0] == 202
        assert (await ask(made, an_id()))[0] == 202
        assert time.monotonic() - began < 2
        database.go_on.set()

    asyncio.run(run())
    assert database.asked == 1 and len(list(made._folder.iterdir())) == 2


@pytest.mark.parametrize("hangs", [False, True])
def test_an_id_of_the_future_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hangs: bool) -> None:
    monkeypatch.setattr(feedback, "_PATIENCE", 0.1)
    database = Database(hangs=hangs)
    monkeypatch.setattr(database, "add_outcomes", lambda _: set() if not hangs else database.go_on.wait(1) or set())
    made = route(tmp_path, database)
    assert asyncio.run(ask(made, an_id(3600)))[0] == 404
    assert asyncio.run(ask(made, an_id()))[0] == 202


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = route(tmp_path, Database())
    monkeypatch.setattr(made._store, "add_outcomes", lambda _: set())
    monkeypatch.setattr(segments, "has_room", lambda _: False)
    status, answer = asyncio.run(ask(made, an_id()))
    assert status == 503 and "try again" in answer["error"]


def test_requests_beyond_the_places_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "PLACES", 1)
    database = Database(hangs=True)
    crowded = route(tmp_path, database)

    async def run() -> None:
        first = asyncio.create_task(ask(crowded, an_id()))
        while not database.asked:
            await asyncio.sleep(0.01)
        with pytest.raises(Refused):
            await ask(crowded, an_id())
        database.go_on.set()
        assert (await first)[0] == 200
        assert (await ask(crowded, an_id()))[0] == 200

    asyncio.run(run())

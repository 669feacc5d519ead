"""The feed before its source is there."""

import time
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from readmission.errors import UserError
from readmission.feed.waiting import Waiting


def until(test: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not test():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_is_alive_and_not_ready_until_the_source_is_there_and_then_is_the_feed() -> None:
    present: list[str] = []

    def open_feed() -> Starlette:
        if not present:
            raise UserError("s3://b/k: there is no such object.")
        return Starlette(routes=[Route("/readyz", lambda request: PlainTextResponse("the feed"))])

    client = TestClient(Waiting(open_feed, pause=0.05))
    until(lambda: "no such object" in client.get("/status").text)
    assert client.get("/livez").status_code == 200
    answer = client.get("/readyz")
    assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
    assert answer.json() == {"error": "The feed waits for its source: s3://b/k: there is no such object."}
    present.append("data")
    until(lambda: client.get("/readyz").text == "the feed")

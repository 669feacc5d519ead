"""The front of the API: who answers which path, common headers, counts, and errors that nobody expected."""

import asyncio
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message

from serving.app import Api
from serving.edge.cross_site import CrossSite
from serving.edge.drain import Drain


class Counts:
    """Stand-in for the worker's metrics that remembers what was counted."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, int]] = []

    def request(self, endpoint: str, method: str, code: int, seconds: float) -> None:
        self.requests.append((endpoint, method, code))


class Front:
    """An API with two routes."""

    def __init__(self, cross_site: CrossSite | None = None) -> None:
        self.counts, self.drain = Counts(), Drain()
        counts: Any = self.counts
        lean: Any = PlainTextResponse("lean")
        routes = [Route("/good", _good), Route("/broken", _broken, methods=["POST"])]
        self.api = Api(lean, routes, PlainTextResponse("fallback"), counts, self.drain, cross_site)

    def ask(self, method: str, path: str, *headers: tuple[bytes, bytes]) -> tuple[int, dict[str, str], bytes]:
        sent: list[Message] = []
        scope = {"type": "http", "method": method, "path": path, "headers": list(headers), "query_string": b""}

        async def receive() -> Message:
            return {"type": "http.request", "body": b""}

        async def send(message: Message) -> None:
            sent.append(message)

        try:
            asyncio.run(self.api(scope, receive, send))
        except RuntimeError as error:
            assert str(error) == "nobody expected this"
        answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], answered, sent[1]["body"]


async def _good(request: Request) -> Response:
    return JSONResponse({})


async def _broken(request: Request) -> Response:
    raise RuntimeError("nobody expected this")


def test_each_path_has_its_application() -> None:
    front = Front()
    assert front.ask("POST", "/predict")[2] == b"lean"
    assert front.ask("GET", "/good")[2] == b"{}"
    _, headers, body = front.ask("GET", "/schema.json", (b"x-request-id", b"abc"))
    assert body == b"fallback" and headers["x-request-id"] == "abc" and headers["x-content-type-options"] == "nosniff"
    status, headers, body = front.ask("GET", "/docs.json")
    assert (status, headers["content-type"]) == (404, "application/json") and b"/docs" in body
    assert front.counts.requests == [("/good", "GET", 200)]


def test_an_unexpected_error_is_answered_as_json_and_counted() -> None:
    front = Front()
    status, headers, body = front.ask("POST", "/broken", (b"x-request-id", b"abc"))
    assert (status, body) == (500, b'{"error":"internal error"}')
    assert headers["x-request-id"] == "abc" and headers["x-content-type-options"] == "nosniff"
    assert front.counts.requests == [("/broken", "POST", 500)]


@pytest.mark.parametrize(("path", "allowed"), [("/good", "GET, HEAD"), ("/broken", "POST")])
def test_another_method_is_refused_under_one_label(path: str, allowed: str) -> None:
    front = Front()
    status, headers, _ = front.ask("BREW", path)
    assert (status, headers["allow"]) == (405, allowed)
    assert front.counts.requests == [(path, "other", 405)]


def test_a_draining_worker_closes_connections() -> None:
    front = Front()
    assert "connection" not in front.ask("GET", "/good")[1]
    front.drain.begun = True
    assert front.ask("GET", "/good")[1]["connection"] == "close"


def test_a_page_of_another_site_reaches_no_route_but_those_with_tokens() -> None:
    foreign = (b"sec-fetch-site", b"cross-site")
    for path in ("/predict", "/broken", "/schema.json"):
        assert Front(CrossSite("127.0.0.1")).ask("POST", path, foreign)[0] == 403
    assert Front(CrossSite("127.0.0.1")).ask("GET", "/good", foreign)[0] == 200
    assert Front(CrossSite("127.0.0.1")).ask("POST", "/cds-services/x", foreign)[0] == 404
    assert Front().ask("POST", "/predict", foreign)[0] == 200, "with keys, the page has none"

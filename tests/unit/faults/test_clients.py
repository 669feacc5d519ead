"""Clients of a server that answers, refuses and breaks off."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from faults.clients import asking


class Handler(BaseHTTPRequestHandler):
    """Answers two of three requests, refuses every third."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer by the number in the request id."""
        self.rfile.read(int(self.headers["content-length"]))
        number = int(self.headers["x-request-id"].rpartition("-")[2])
        refused = number % 3 == 2
        body = {"error": "busy"} if refused else {"model_version": "7", "probabilities": {"NO": 1}}
        data = json.dumps(body).encode()
        self.send_response(503 if refused else 200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_every_request_is_written_down_with_a_name_of_its_own(port: int) -> None:
    with asking(port, 200, threads=2, before=0.3, after=0.1) as clients:
        pass
    requests = clients.journal.requests
    assert len(requests) > 10
    assert len({request.name for request in requests}) == len(requests)
    assert {request.status for request in requests} == {200, 503}
    assert clients.journal.versions() == {"7"}
    assert "503 busy" in clients.journal.saw()


def test_a_server_that_is_not_there_is_a_refused_connection(port: int) -> None:
    with asking(9, 50, threads=1, before=0.2, after=0) as clients:
        pass
    assert {(request.status, request.sentence) for request in clients.journal.requests} == {
        (None, "connection refused")
    }

"""Connections: deadlines, the limit, and answers in one write; a real uvicorn on real sockets."""

import asyncio
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from serving.edge import protocol

GET = b"GET /%b HTTP/1.1\r\nhost: x\r\n\r\n"


class App:
    """Application that answers by its path, and notes what clients did."""

    def __init__(self) -> None:
        self.received: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"].strip("/")
        if path == "body":
            self.received.append((await receive())["type"])
        if path == "later":
            await asyncio.sleep(1.2)
            while (await receive()).get("more_body"):
                pass
        headers = [(b"content-length", b"2"), (b"x-request-id", b"7")]
        if path == "close":
            headers.append((b"connection", b"close"))
        if path == "split":
            headers.append((b"x-bad", b"a\r\nset-cookie: b"))
        if path in ("stream", "unread"):
            headers = []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if path == "fails":
            raise RuntimeError("after the head")
        for _ in range(1000 if path == "unread" else 0):
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def connect(app: App, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], socket.socket]]:
    """Run a server whose deadlines are half a second; gives what opens a connection to it."""
    for name in ("HEAD_SECONDS", "BODY_SECONDS", "WRITE_SECONDS"):
        monkeypatch.setattr(protocol, name, 0.5)
    config = uvicorn.Config(app, http=protocol.Protocol, log_config=None, lifespan="off", server_header=False)
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    opened: list[socket.socket] = []

    def run() -> socket.socket:
        opened.append(socket.create_connection(listener.getsockname(), timeout=5))
        return opened[-1]

    yield run
    server.should_exit = server.force_exit = True
    for connection in opened:
        connection.close()
    thread.join(10)
    listener.close()


def read_all(connection: socket.socket) -> bytes:
    """Return what the server sends until it closes the connection."""
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("head", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nhost: x\r\n"])
def test_a_head_that_does_not_come_ends_its_connection(connect: Callable[[], socket.socket], head: bytes) -> None:
    connection = connect()
    connection.sendall(head)
    began = time.monotonic()
    assert read_all(connection) in (
        b"",
        b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    )
    assert 0.3 < time.monotonic() - began < 3


def test_a_head_byte_by_byte_has_one_deadline(connect: Callable[[], socket.socket]) -> None:
    connection = connect()
    began = time.monotonic()
    with pytest.raises(OSError):
        for _ in range(40):
            connection.sendall(b"G")
            time.sleep(0.1)
    assert time.monotonic() - began < 3


def test_a_body_that_does_not_come_is_408_and_the_application_learns_it(
    connect: Callable[[], socket.socket], app: App
) -> None:
    connection = connect()
    connection.sendall(b"POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n")
    assert read_all(connection).startswith(b"HTTP/1.1 408 ")
    time.sleep(0.1)
    assert app.received == ["http.disconnect"]


def test_a_body_that_the_server_does_not_take_yet_has_no_deadline(connect: Callable[[], socket.socket]) -> None:
    connection = connect()
    connection.sendall(b"POST /later HTTP/1.1\r\nhost: x\r\ncontent-length: 4000000\r\n\r\n" + 4_000_000 * b"x")
    assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_reads_nothing_is_left(connect: Callable[[], socket.socket]) -> None:
    connection = connect()
    connection.sendall(GET % b"unread")
    time.sleep(1.5)
    assert len(read_all(connection)) < 1000 * 65_536


def test_an_idle_connection_between_requests_stays(connect: Callable[[], socket.socket]) -> None:
    connection = connect()
    for _ in range(2):
        connection.sendall(GET % b"")
        assert connection.recv(4096).endswith(b"ok")
        time.sleep(1)


def test_connections_beyond_the_limit_are_refused(
    connect: Callable[[], socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert protocol.most_connections() == soft - protocol.RESERVED_FILES
    monkeypatch.setattr(protocol, "RESERVED_FILES", soft - 2)
    kept = [connect(), connect()]
    time.sleep(0.1)
    assert read_all(connect()).startswith(b"HTTP/1.1 503 ")
    kept[0].sendall(GET % b"")
    assert kept[0].recv(4096).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("path", [b"", b"stream", b"close", b"fails", b"split"])
def test_answers_are_those_of_uvicorn(connect: Callable[[], socket.socket], app: App, path: bytes) -> None:
    def answer(connection: socket.socket) -> list[bytes]:
        connection.sendall(b"GET /%b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n" % path)
        return [line for line in read_all(connection).split(b"\r\n") if not line.startswith(b"date:")]

    ours = answer(connect())
    server = uvicorn.Server(uvicorn.Config(app, http="httptools", log_config=None, lifespan="off", server_header=False))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
        thread.start()
        theirs = answer(socket.create_connection(listener.getsockname(), timeout=5))
        server.should_exit = True
        thread.join(10)
    if path == b"fails":  # uvicorn has sent the head of a 200 by then; here the client learns that it failed
        assert ours[0] == b"HTTP/1.1 500 Internal Server Error"
    else:
        assert sorted(ours) == sorted(theirs)
    assert not any(line.startswith(b"set-cookie") for line in ours)


def test_head_and_pipelined_requests(connect: Callable[[], socket.socket]) -> None:
    connection = connect()
    connection.sendall(b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n" + GET % b"" + GET % b"stream" + GET % b"close")
    text = read_all(connection)
    assert text.count(b"HTTP/1.1 200 OK") == 4 and text.count(b"\r\n\r\nok") == 2 and text.count(b"2\r\nok\r\n") == 1

"""Proxy between two sockets of this process."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from faults.proxy import Proxy


def answer(connection: socket.socket) -> None:
    while data := connection.recv(1000):
        connection.sendall(data.upper())


@pytest.fixture
def echo() -> Iterator[int]:
    """Run a server that answers in capitals; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def test_everything_passes_in_both_directions(echo: int) -> None:
    with connect(Proxy(echo)) as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"HELLO"


def test_a_refused_part_breaks_connections_and_comes_back_on_its_port(echo: int) -> None:
    proxy = Proxy(echo)
    port = proxy.port
    with connect(proxy) as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"HELLO"
        proxy.refuse()
        assert client.recv(100) == b""
        with pytest.raises(ConnectionRefusedError):
            connect(proxy)
    proxy.accept()
    assert proxy.port == port
    with connect(proxy) as client:
        client.sendall(b"again")
        assert client.recv(100) == b"AGAIN"


def test_what_was_dropped_arrives_when_the_partition_ends(echo: int) -> None:
    proxy = Proxy(echo)
    with connect(proxy) as client:
        proxy.dropping = True
        client.sendall(b"hello")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(100)
        proxy.dropping = False
        client.settimeout(5)
        assert client.recv(100) == b"HELLO"


def test_answers_are_withheld_from_a_request_on(echo: int) -> None:
    proxy = Proxy(echo)
    with connect(proxy) as client:
        proxy.withhold_answers_to(b"commit")
        client.sendall(b"begin")
        assert client.recv(100) == b"BEGIN"
        client.sendall(b"commit")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(100)
        assert proxy.withholding
        proxy.accept()
        client.settimeout(5)
        assert client.recv(100) == b"COMMIT"


def test_a_slow_network_is_late_in_each_direction(echo: int) -> None:
    proxy = Proxy(echo)
    proxy.delay = 0.1
    with connect(proxy) as client:
        began = time.monotonic()
        client.sendall(b"hello")
        assert client.recv(100) == b"HELLO"
        assert time.monotonic() - began >= 0.2


def test_a_host_header_names_the_part_behind(echo: int) -> None:
    proxy = Proxy(echo)
    with connect(proxy) as client:
        client.sendall(b"host: 127.0.0.1:%d" % proxy.port)
        assert client.recv(100) == b"HOST: 127.0.0.1:%d" % echo

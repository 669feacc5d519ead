"""Hand-over of a listening socket: by a server that offers it, and by one of an earlier version that does not."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from serving import handover

_LISTENS = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def earlier() -> Iterator[tuple[int, int]]:
    """Run a server that offers nothing; give its process and port."""
    command = [sys.executable, "-c", _LISTENS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())
        process.kill()


def accepts(listener: socket.socket, port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port)) as client:
        connection, address = listener.accept()
        connection.close()
        return bool(address == client.getsockname())


def test_an_offered_socket_goes_on_when_the_first_owner_closes_it() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    handover.offer(listener)
    taken = handover.take(os.getpid(), port)
    with socket.create_connection(("127.0.0.1", port)) as waiting:
        listener.close()  # a connection waits in its queue
        connection, address = taken.accept()
        assert address == waiting.getsockname()
        connection.close()
    assert accepts(taken, port)
    taken.close()


def test_the_socket_of_a_server_that_offers_none_is_copied(earlier: tuple[int, int]) -> None:
    pid, port = earlier
    with handover.take(pid, port) as taken:
        assert accepts(taken, port)
    with pytest.raises(OSError, match=f"no socket of port {port + 1}"):
        handover.take(pid, port + 1)


def test_a_process_that_has_ended_hands_nothing_over(earlier: tuple[int, int]) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    with pytest.raises(OSError, match="No such process"):
        handover.take(int(ended.stdout), 1)


def test_a_predecessor_counts_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(handover.PREDECESSOR, raising=False)
    assert not handover.predecessor_runs()
    for pid, runs in ((str(os.getpid()), True), ("", False), ("4194305", False)):
        monkeypatch.setenv(handover.PREDECESSOR, pid)
        assert handover.predecessor_runs() is runs


def test_the_server_listens_on_the_socket_that_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    from circus.sockets import CircusSocket

    monkeypatch.setattr(CircusSocket, "bind_and_listen", CircusSocket.bind_and_listen)  # restored afterwards
    offered: list[int] = []
    monkeypatch.setattr(handover, "offer", lambda listener: offered.append(listener.fileno()))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        handover.share(port, listener)
        own = CircusSocket("api", host="127.0.0.1", port=port)
        own.bind_and_listen()
        assert accepts(own, port) and offered == [own.fileno()]
        other = CircusSocket("other", host="127.0.0.1", port=0)
        other.bind_and_listen()
        assert other.getsockname()[1] != port and len(offered) == 1
        own.close()
        other.close()

"""Hand-over of the API's listening socket to the server that takes its place, so that no client meets a closed port.

Two sockets of one port would not do: each has a queue of its own, and connections that wait in that of the first server
are reset when it ends. Here both servers accept from one socket for a while, and its queue outlives the first.
"""

import contextlib
import ctypes
import os
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

#: Environment variable of the workers: process of the server whose place they take.
PREDECESSOR = "SERVING_PREDECESSOR"
_PIDFD_GETFD = 438  # the same number on every architecture
_CREDENTIALS = struct.Struct("iII")  # process, user, group


def offer(listener: socket.socket) -> None:
    """Hand a copy of the listening socket to every process of this user that asks, from a thread."""
    door = socket.socket(socket.AF_UNIX)
    door.bind(_name(os.getpid()))
    door.listen()

    def serve() -> None:
        while True:
            connection, _ = door.accept()
            with connection, contextlib.suppress(OSError):
                peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
                if _CREDENTIALS.unpack(peer)[1] == os.geteuid():
                    socket.send_fds(connection, [b"listener"], [listener.fileno()])

    threading.Thread(target=serve, name="handover", daemon=True).start()


def take(pid: int, port: int) -> socket.socket:
    """Return the listening socket of a running server.

    Args:
        pid: Process of the server.
        port: Port that it listens on.

    Raises:
        OSError: It does not hand one over.
    """
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as door:
        door.settimeout(10)
        door.connect(_name(pid))
        _, descriptors, _, _ = socket.recv_fds(door, 16, 1)
        for descriptor in descriptors:
            return socket.socket(fileno=descriptor)
    # Version 0.1.0 offers none, but whoever may debug a process may copy what it has open.
    for listener in _sockets_of(pid):
        is_ours = listener.family in (socket.AF_INET, socket.AF_INET6) and listener.getsockname()[1] == port
        if is_ours and listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return listener
        listener.close()
    raise OSError(f"it has no socket of port {port}")


def share(port: int, taken: socket.socket | None) -> None:
    """Have BentoML's server, when it begins to listen, use the socket that was taken over, and offer its own.

    Args:
        port: Port of the API.
        taken: What `take` returned; None if the server opens the port itself.
    """
    from circus.sockets import CircusSocket

    listen = CircusSocket.bind_and_listen

    def listen_and_offer(own: socket.socket) -> None:
        if getattr(own, "port", None) != port:
            listen(own)
            return
        if taken is None:
            listen(own)
        else:
            os.dup2(taken.fileno(), own.fileno())
        offer(own)

    CircusSocket.bind_and_listen = listen_and_offer


def predecessor_runs() -> bool:
    """Return whether the server whose place this one takes still runs."""
    return bool(pid := os.environ.get(PREDECESSOR)) and Path(f"/proc/{pid}").exists()


def _name(pid: int) -> bytes:
    """Return a name in the kernel's own space of names, which needs no file and goes with its process."""
    return f"\0readmission-api-{pid}".encode()


def _sockets_of(pid: int) -> Iterator[socket.socket]:
    """Yield copies of the sockets of another process.

    Raises:
        OSError: It has ended, or the kernel does not allow it.
    """
    libc, process = ctypes.CDLL(None, use_errno=True), os.pidfd_open(pid)
    try:
        for path in Path(f"/proc/{pid}/fd").iterdir():
            if not str(path.readlink()).startswith("socket:"):
                continue
            descriptor = libc.syscall(_PIDFD_GETFD, process, int(path.name), 0)
            if descriptor < 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            yield socket.socket(fileno=descriptor)
    finally:
        os.close(process)

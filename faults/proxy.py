"""TCP proxy between two parts, which can refuse, drop, slow down or withhold answers."""

import contextlib
import socket
import threading
import time


class Proxy:
    """Proxy of a port of the loopback.

    Args:
        target: Port of the part behind it.

    Attributes:
        port: Port on which it listens.
        delay: Seconds by which every piece is late, in each direction.
        bytes_per_second: Speed of a connection; 0 does not limit it.
        dropping: Whether nothing passes, as in a network partition; what was sent arrives when it ends.
        withholding: Whether only requests pass and answers wait.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self.port = 0
        self.delay = self.bytes_per_second = 0.0
        self.dropping = self.withholding = False
        self._trigger = b""
        self._listener: socket.socket | None = None
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self.accept()

    def accept(self) -> None:
        """Listen, and let everything pass."""
        self.delay = self.bytes_per_second = 0.0
        self.dropping = self.withholding = False
        self._trigger = b""
        if self._listener is None:
            self._listener = listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self.port))
            listener.listen(64)
            self.port = int(listener.getsockname()[1])
            threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def refuse(self) -> None:
        """Break every connection and refuse new ones, as a part that does not run."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for pair in list(self._pairs):
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def withhold_answers_to(self, content: bytes) -> None:
        """Withhold answers as soon as a request contains this."""
        self._trigger = content

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pairs.add((client, server))
            threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if not answers:
                    # MLflow refuses a Host header that is not its own address.
                    data = data.replace(b"127.0.0.1:%d" % self.port, b"127.0.0.1:%d" % self._target)
                    if self._trigger and self._trigger in data:
                        self.withholding = True
                while self.dropping or (answers and self.withholding):
                    time.sleep(0.01)
                if self.delay:
                    time.sleep(self.delay)
                if self.bytes_per_second:
                    time.sleep(len(data) / self.bytes_per_second)
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        if answers:
            self._pairs.discard((sink, source))

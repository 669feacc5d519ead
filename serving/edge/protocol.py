"""HTTP connections: deadlines that uvicorn lacks, and answers in one write.

uvicorn's clock for a connection starts after an answer. A client that sends half a request, or reads nothing of its
answer, would keep its connection, and what is held for it, for ever. uvicorn also writes head and body of an answer
apart, after a regular expression on each header; `bench WHAT=api` shows what one write gains.
"""

import asyncio
import logging
import resource
from typing import Any

import uvicorn.config
from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

#: Seconds for the head of a request, from the connection or its first byte.
HEAD_SECONDS = 15.0
#: Seconds in which the next bytes of a body must come, and in which some of a waiting answer must be read.
BODY_SECONDS = WRITE_SECONDS = 30.0
#: Files that connections leave to the prediction log, the metrics and the models.
RESERVED_FILES = 64
log = logging.getLogger(__name__)


def install() -> None:
    """Make this the protocol of uvicorn's servers in this process; BentoML has no setting for it."""
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:Protocol"


def most_connections() -> int:
    """Return how many connections this process may keep: its open files, less those it needs itself."""
    return max(1, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVED_FILES)


class Protocol(HttpToolsProtocol):
    """Connection of one client."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Disabled, but uvicorn would build the arguments of each line.
        self.access_log = False
        self._reading: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Take a connection, or refuse it while there are as many as this process can keep."""
        super().connection_made(transport)
        if len(self.connections) > most_connections():
            self._refuse(503)
        else:
            self._reading = self.loop.call_later(HEAD_SECONDS, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._stop_waiting()
        if self._writing is not None:
            self._writing.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and set the deadline for what must follow."""
        in_head = self._in_head()
        super().data_received(data)
        if self._in_head():
            # One deadline for the whole head: a byte now and then does not prolong it.
            if not in_head or self._reading is None:
                self._wait(HEAD_SECONDS)
        elif self.cycle is not None and self.cycle.more_body and not self.cycle.response_complete:
            self._wait(BODY_SECONDS)
        elif self._reading is not None:
            self._stop_waiting()

    def pause_writing(self) -> None:
        """Stop writing, since the client does not read; after a while, end the connection."""
        super().pause_writing()
        self._writing = self._writing or self.loop.call_later(WRITE_SECONDS, self._unread)

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
        super().resume_writing()

    def _in_head(self) -> bool:
        """Return whether no request has begun, or only its head."""
        return self.scope is None or "path" not in self.scope

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._reading = self.loop.call_later(seconds, self._late)

    def _stop_waiting(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _late(self) -> None:
        if self.flow.read_paused:  # the application has not taken yet what the client has sent
            self._wait(BODY_SECONDS)
        elif self.scope is not None and (self.cycle is None or not self.cycle.response_started):
            self._refuse(408)
        else:
            self.transport.close()

    def _unread(self) -> None:
        # Not `close`, which waits for the client to read.
        log.warning("A client did not read its answer for %d s; its connection is closed.", WRITE_SECONDS)
        self.transport.abort()

    def _refuse(self, status: int) -> None:
        """Answer without the application, which may wait for a body that never comes, and close the connection."""
        self.transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.send = OneWrite(cycle).send  # type: ignore[method-assign]
        super()._start_asgi_task(cycle, app)


class OneWrite:
    """`send` of one request: an answer whose length is known is written with its head at once.

    Everything else (streams, HEAD, odd messages) goes to uvicorn's `send`.

    Args:
        cycle: Uvicorn's state of the request and its answer.
    """

    __slots__ = ("_cycle", "_start")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._start: Message | None = None

    async def send(self, message: Any) -> None:
        """Take one message of the application."""
        cycle = self._cycle
        if message["type"] == "http.response.start":
            if not cycle.response_started and cycle.scope["method"] != "HEAD":
                for name, _ in message["headers"]:
                    if name == b"content-length":
                        self._start = message
                        return
        elif self._start is not None:
            start: Any = self._start
            self._start = None
            body = message.get("body", b"")
            if not message.get("more_body", False) and (head := self._head(start, len(body))):
                await self._write(head + body)
                return
            await RequestResponseCycle.send(cycle, start)
        await RequestResponseCycle.send(cycle, message)

    def _head(self, start: Message, length: int) -> bytes:
        """Return status line and headers, or nothing if uvicorn should look at them."""
        cycle = self._cycle
        lines = [STATUS_LINE[start["status"]]]
        closes = False
        for name, value in (*cycle.default_headers, *start["headers"]):
            if name == b"content-length":
                if int(value) != length:
                    return b""
            elif name == b"connection":
                closes = value == b"close"
            elif name == b"transfer-encoding":
                return b""
            lines.append(b"%b: %b\r\n" % (name, value))
        if closes:
            cycle.keep_alive = False
        elif not cycle.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n")
        head = b"".join(lines)
        # A line break in a header would begin another header, or another answer.
        return head if head.count(b"\n") == head.count(b"\r") == len(lines) and b"\0" not in head else b""

    async def _write(self, answer: bytes) -> None:
        cycle = self._cycle
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        if cycle.disconnected:
            return
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(answer)
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()

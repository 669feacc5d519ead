"""End without a dropped request: before the server closes idle connections, each client is told to leave its own.

A server that just closes a connection that is kept alive meets the request that is being sent into it. So for a
moment every answer says `connection: close`; what is still open after it was not in use.
"""

import asyncio
import signal
import threading
from types import FrameType

import uvicorn

from serving.http import Message, Send

#: Seconds between the signal and the server's own shutdown, at most.
QUIET = 1.0
_CLOSE = (b"connection", b"close")


class Drain:
    """Know whether this worker is about to end.

    Attributes:
        begun: a signal has come.
    """

    def __init__(self) -> None:
        self.begun = False

    def on_signals(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """Begin at SIGTERM or SIGINT; the server's own handlers, which are there by now, are asked later.

        Args:
            loop: of the server; called from its thread.
            seconds: between the signal and the server's handler; further signals change nothing in between.
        """
        if threading.current_thread() is not threading.main_thread():
            return  # signals come to the main thread only: whoever started this in another has its own way to end it
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        server = getattr(handlers[signal.SIGTERM], "__self__", None)

        def begin(number: int, frame: FrameType | None) -> None:
            if not self.begun:
                self.begun = True
                # A handler runs between two steps of the loop, which may be asleep: this wakes it.
                loop.call_soon_threadsafe(leave, number)

        def leave(number: int) -> None:
            # Those who come now go to another worker, which has the same socket.
            for listener in server.servers if isinstance(server, uvicorn.Server) else ():
                listener.close()
            loop.call_later(seconds, end, number)

        def end(number: int) -> None:
            for each, handler in handlers.items():
                signal.signal(each, handler)
            signal.raise_signal(number)

        for number in handlers:
            signal.signal(number, begin)


def closing(send: Send) -> Send:
    """Return a `send` whose answers end their connection."""

    async def send_closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], _CLOSE]
        await send(message)

    return send_closing

"""Drain of a worker: before the server closes idle connections, every client is asked to leave its own.

If a server simply closes a connection that is kept alive, it may meet a request that is just being sent. So for a
moment every answer carries `connection: close`; connections that are still open afterwards were not in use.
"""

import asyncio
import signal
import threading
from types import FrameType

import uvicorn
from starlette.types import Message, Send

#: Seconds between the signal and the server's own shutdown, at most.
QUIET = 1.0
_CLOSE = (b"connection", b"close")


class Drain:
    """State of a worker that may be about to end.

    Attributes:
        begun: Whether a signal to end has arrived.
    """

    def __init__(self) -> None:
        self.begun = False

    def on_signals(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """Begin at SIGTERM or SIGINT; the server's own handlers, which are installed by now, run later.

        Args:
            loop: Event loop of the server. This must be called from its thread.
            seconds: Seconds between the signal and the server's handler. Further signals in between change nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            return  # signals reach the main thread only; who runs a server in another thread ends it another way
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        server = getattr(handlers[signal.SIGTERM], "__self__", None)

        def begin(number: int, frame: FrameType | None) -> None:
            if not self.begun:
                self.begun = True
                # The loop may be asleep when the handler runs; this wakes it.
                loop.call_soon_threadsafe(leave, number)

        def leave(number: int) -> None:
            loop.call_later(seconds, end, number)
            # New connections go to another worker, which listens on the same socket. A server that has just started
            # does not listen yet.
            for listener in getattr(server, "servers", ()) if isinstance(server, uvicorn.Server) else ():
                listener.close()

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

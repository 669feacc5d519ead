"""Turns of batches at the one thread that scores them.

A turn is taken when there is something to score, not while a body arrives or an answer is read: a client that does
either slowly holds nobody up.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import Message, Receive

from serving import http
from serving.http import Refused

BUSY = http.sentence(503, "other batches are being scored", {"retry-after": "1"})
#: Batches that may wait for their first turn, and for how many seconds.
WAITING, PATIENCE = 16, 1.0
#: Bytes of bodies in memory at once, as a multiple of the largest body.
BODIES = 2


class Turns:
    """Turns of one worker: two at a time, so that one batch is decoded or recorded while the other is scored.

    Args:
        max_body: Largest body in bytes.
    """

    def __init__(self, max_body: int) -> None:
        self._max_body = max_body
        self._semaphore = asyncio.Semaphore(2)
        self._waiting = 0
        self._held = 0

    def check(self) -> None:
        """Refuse at once, before a body is read, if too many batches wait.

        Raises:
            Refused: They do.
        """
        if self._waiting >= WAITING:
            raise Refused(BUSY, "busy")

    @asynccontextmanager
    async def first(self) -> AsyncIterator[None]:
        """Take the first turn of a batch, at once or after a moment.

        Raises:
            Refused: Too many batches wait, or no turn came in time.
        """
        self.check()
        self._waiting += 1
        try:
            async with asyncio.timeout(PATIENCE):
                await self._semaphore.acquire()
        except TimeoutError:
            raise Refused(BUSY, "busy") from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._semaphore.release()

    def next(self) -> asyncio.Semaphore:
        """Return a later turn of a stream, which waits as long as it must."""
        return self._semaphore

    @asynccontextmanager
    async def body(self, receive: Receive) -> AsyncIterator[bytes]:
        """Receive a body, and count it while it is in memory.

        Raises:
            Refused: Too many bytes of bodies are in memory, or this body is too large or too slow.
        """
        size = 0

        async def receive_counted() -> Message:
            nonlocal size
            message = await receive()
            length = len(message.get("body", b""))
            if self._held + length > BODIES * self._max_body:
                raise Refused(BUSY, "busy")
            size += length
            self._held += length
            return message

        try:
            yield await http.whole_body(receive_counted, self._max_body)
        finally:
            self._held -= size

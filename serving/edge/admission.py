"""Admission of requests to the event loop: a few in each turn, the others wait in a bounded line.

Without it a burst is worked off in one go, and a client that must be refused learns so only after all requests
before its own have been answered.
"""

import asyncio
from collections import deque

from serving import http
from serving.http import Refused

BUSY = http.sentence(503, "too many requests are waiting: try again in a second", {"retry-after": "1"})
#: Requests admitted in one turn: a few milliseconds of work, and as many as a usual client's pool has connections.
PER_TURN = 32
#: If more requests arrive in a turn, as many are admitted as arrive, up to this: refusing must not take all the time.
MOST_PER_TURN = 96


class Places:
    """Places for requests whose work is not done in the event loop.

    Args:
        number: How many requests may be in work or waiting for it; the next one is refused at once.
    """

    def __init__(self, number: int) -> None:
        self._free = number

    def __enter__(self) -> None:
        """Take a place.

        Raises:
            Refused: There is none.
        """
        if self._free < 1:
            raise Refused(BUSY, "busy")
        self._free -= 1

    def __exit__(self, *_: object) -> None:
        """Free the place."""
        self._free += 1


class Admission:
    """Line of the requests of one event loop.

    Args:
        longest: How many requests may wait; the next one is refused at once.
    """

    __slots__ = ("_admitted", "_arrived", "_line", "_longest")

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._admitted = self._arrived = 0
        self._line: deque[asyncio.Future[None]] = deque()

    def enter(self) -> "asyncio.Future[None] | None":
        """Return None if the request may go on at once, else what it has to wait for.

        Raises:
            Refused: The line is too long.
        """
        self._arrived += 1
        if self._admitted < PER_TURN and not self._line:
            if self._admitted == 0:
                asyncio.get_running_loop().call_soon(self._turn)
            self._admitted += 1
            return None
        if len(self._line) >= self._longest:
            raise Refused(BUSY, "busy")
        turn = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        return turn

    def _turn(self) -> None:
        share = min(max(PER_TURN, self._arrived), MOST_PER_TURN)
        self._admitted = self._arrived = 0
        while self._line and self._admitted < share:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                self._admitted += 1
        if self._admitted:
            asyncio.get_running_loop().call_soon(self._turn)

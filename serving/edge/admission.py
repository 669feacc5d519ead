"""Let a few requests through in each turn of the event loop; the others stand in a bounded line.

Without it a burst is worked off in one go, and who has to be refused hears it only after all who came before
have been answered.
"""

import asyncio
from collections import deque

from serving import http
from serving.http import Refused

BUSY = http.sentence(503, "too many requests are waiting: try again in a second", (b"retry-after", b"1"))
#: Requests answered in one turn: a few milliseconds of work, and as many as connections of a usual client pool.
A_TURN = 32
#: Where more come in a turn, as many are let through as come, up to this: refusing must not take all the time.
MOST = 96


class Turnstile:
    """Count the requests of one event loop.

    Args:
        longest: requests that may stand in line; the next is refused at once.
    """

    __slots__ = ("_came", "_line", "_longest", "_passed")

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._passed = self._came = 0
        self._line: deque[asyncio.Future[None]] = deque()

    def enter(self) -> "asyncio.Future[None] | None":
        """Return None to go on at once, or what to wait for.

        Raises:
            Refused: the line is too long.
        """
        self._came += 1
        if self._passed < A_TURN and not self._line:
            if self._passed == 0:
                asyncio.get_running_loop().call_soon(self._turn)
            self._passed += 1
            return None
        if len(self._line) >= self._longest:
            raise Refused(BUSY, "busy")
        place = asyncio.get_running_loop().create_future()
        self._line.append(place)
        return place

    def _turn(self) -> None:
        share = min(max(A_TURN, self._came), MOST)
        self._passed = self._came = 0
        while self._line and self._passed < share:
            place = self._line.popleft()
            if not place.done():
                place.set_result(None)
                self._passed += 1
        if self._passed:
            asyncio.get_running_loop().call_soon(self._turn)

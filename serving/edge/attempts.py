"""Failed attempts to come in: counted, logged by powers of two, and answered later the more of them there are.

Only refusals wait, so whoever has a key is not held up by those who guess behind the same address.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from ipaddress import ip_address

from serving import metrics

#: Seconds after which attempts are forgotten; attempts that are answered at once; longest wait in seconds.
_MEMORY, _FREE, _LONGEST = 60.0, 5, 2.0
#: Addresses that are remembered, and refusals that may wait at once; further ones are answered at once.
_ADDRESSES, _WAITING = 1_000, 64
log = logging.getLogger(__name__)


class Attempts:
    """Failed attempts of one worker, by address."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._waiting = 0

    async def slow(self, address: str) -> None:
        """Count a failed attempt, and wait before it is answered.

        Args:
            address: Of the client; empty if it has none.
        """
        metrics.failed_attempts.inc()
        delay = self._delay(address)
        if delay and self._waiting < _WAITING:
            self._waiting += 1
            try:
                await asyncio.sleep(delay)
            finally:
                self._waiting -= 1

    def _delay(self, address: str) -> float:
        """Return the seconds to wait: none for the first five in a minute, then 0.1, 0.2, 0.4 and so on up to two."""
        now = time.monotonic()
        count, last = self._counts.pop(address, (0, now))
        count = count + 1 if now - last < _MEMORY else 1
        self._counts[address] = (count, now)
        if len(self._counts) > _ADDRESSES:
            self._counts.popitem(last=False)
        if count & (count - 1) == 0:
            log.warning("%d failed attempts without a valid key from %s", count, address or "an unknown address")
        return min(_LONGEST, 0.1 * 2.0 ** min(count - _FREE - 1, 10)) if count > _FREE else 0.0


def address_of(client: object) -> str:
    """Return the address of an ASGI scope's `client`; empty if it has none.

    A proxy's header may have put any text in its place, which must not reach the log.
    """
    text = str(client[0]) if isinstance(client, tuple | list) and client else ""
    try:
        return str(ip_address(text))
    except ValueError:
        return ""

"""Load generator light enough to measure an API of ten thousand requests per second from Python.

HTTP/1.1 over raw sockets of one event loop, no parsing beyond status and length: about 40 us a request where
Locust takes 500. Locust plays people; this one measures: ``python -m loadtest.generator URL BODIES`` prints JSON.
"""

import asyncio
import random
from argparse import ArgumentParser
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from urllib.parse import urlsplit

import msgspec

from loadtest.result import Result, summarise

new_event_loop: Callable[[], asyncio.AbstractEventLoop]
try:
    from uvloop import new_event_loop
except ImportError:  # slower, the same results
    from asyncio import new_event_loop

_END = b"\r\n\r\n"
_ID = b'"prediction_id":"'
#: Seconds that requests in flight get after the end of a run before they count as failed.
GRACE = 10.0


class Run:
    """One run: closed loop (each connection waits for its answer) or open (a fixed rate).

    Args:
        url: URL of one route.
        bodies: JSON bodies, sent in turn.
        connections: Number of connections. In a closed loop, these are the users.
        wait: Shortest and longest pause of a user between two requests, in seconds (closed loop).
        rate: Requests per second of an open loop, where latency counts from the moment a request was due. If 0, the
            loop is closed.
        until: If given, an open loop ends early as soon as this file exists.
        acknowledged: If given, receives the prediction ids of all answers with 2xx.
    """

    def __init__(
        self,
        url: str,
        bodies: Sequence[bytes],
        connections: int,
        wait: tuple[float, float] = (0.0, 0.0),
        rate: float = 0.0,
        until: Path | None = None,
        acknowledged: list[str] | None = None,
    ) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80
        head = f"POST {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        # An id of its own each, because a canary draws by it; the prefix keeps them out of monitoring.
        self.requests = [
            f"{head}X-Request-ID: load-{number}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
            for number, body in enumerate(bodies)
        ]
        self.connections, self.wait, self.rate, self.until = connections, wait, rate, until
        self.acknowledged = acknowledged
        self.latencies: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.broken = self.active = self.connected = 0
        self.over = False
        self._turn = random.randrange(len(bodies))  # noqa: S311 - where to start, not a secret
        self.idle: list[_Connection] = []
        self.backlog: deque[float] = deque()

    def request(self) -> bytes:
        """Return the next request."""
        self._turn = (self._turn + 1) % len(self.requests)
        return self.requests[self._turn]

    def think(self) -> float:
        """Draw the next pause of a user, in seconds."""
        low, high = self.wait
        return low + random.random() * (high - low) if high else 0.0  # noqa: S311

    async def measure(self, seconds: float, ramp: float = 0.0, at_least: int = 0) -> Result:
        """Connect over `ramp` seconds (not counted), run for `seconds` and until `at_least` are answered."""
        await asyncio.gather(*(self.open(index * ramp / self.connections) for index in range(self.connections)))
        self.latencies.clear()
        self.statuses.clear()
        start = perf_counter()
        if self.rate:
            await self._issue(seconds)
        else:
            await asyncio.sleep(seconds)
            while len(self.latencies) < at_least and not self.broken:
                await asyncio.sleep(0.001)
        elapsed = perf_counter() - start
        counted = list(self.latencies), Counter(self.statuses)
        self.over = True
        while self.active and perf_counter() < start + elapsed + GRACE:
            await asyncio.sleep(0.01)
        self.broken += self.active
        return summarise(elapsed, *counted, self.broken)

    async def open(self, delay: float = 0.0) -> None:
        """Open one connection, which starts to send by itself."""
        await asyncio.sleep(delay)
        try:
            await asyncio.get_running_loop().create_connection(lambda: _Connection(self), self.host, self.port)
        except OSError:
            self.broken += 1
            if not self.over:
                asyncio.ensure_future(self.open(0.05))  # noqa: RUF006 - it keeps itself

    async def _issue(self, seconds: float) -> None:
        start, issued = perf_counter(), 0
        while (now := perf_counter() - start) < seconds and not (self.until and self.until.exists()):
            while issued < now * self.rate:
                due = start + issued / self.rate
                issued += 1
                if self.idle:
                    self.idle.pop().send(due)
                else:
                    self.backlog.append(due)
            await asyncio.sleep(0.0005)


class _Connection(asyncio.Protocol):
    """Socket that sends one request after the other."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.transport: asyncio.Transport
        self.begun = 0.0
        self.busy = False
        self.buffer = bytearray()
        self.expected_bytes = 0
        self.last = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.run.connected += 1
        if self.run.rate:
            self.run.idle.append(self)
        elif pause := self.run.think():
            asyncio.get_running_loop().call_later(pause * random.random(), self.next)  # noqa: S311
        else:
            self.send()

    def send(self, due: float = 0.0) -> None:
        """Send a request; its latency counts from `due`, or from now."""
        self.begun = due or perf_counter()
        self.busy = True
        self.run.active += 1
        self.transport.write(self.run.request())

    def next(self) -> None:
        """Send the next request after a pause, or close when the run is over."""
        if self.run.over or self.transport.is_closing():
            self.transport.close()
        else:
            self.send()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.expected_bytes:
            end = self.buffer.find(_END)
            if end < 0:
                return
            head = bytes(self.buffer[:end])
            self.expected_bytes = end + 4 + _length(head)
            self.last = b"\r\nconnection: close" in head.lower()
        if len(self.buffer) >= self.expected_bytes:
            if self.run.acknowledged is not None and self.buffer[9:10] == b"2":
                start = self.buffer.index(_ID) + len(_ID)
                self.run.acknowledged.append(self.buffer[start : start + 36].decode())
            self._answered(int(self.buffer[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        run = self.run
        run.connected -= 1
        if self.busy:
            run.broken += 1
            run.active -= 1
        with suppress(ValueError):
            run.idle.remove(self)
        if not run.over:
            asyncio.ensure_future(run.open())  # noqa: RUF006 - the connection keeps itself

    def _answered(self, status: int) -> None:
        run = self.run
        now = perf_counter()
        self.buffer.clear()
        self.expected_bytes, self.busy = 0, False
        run.active -= 1
        run.statuses[status] += 1
        if 200 <= status < 300:
            run.latencies.append(now - self.begun)
        if run.over or self.last:
            # While the run continues, another connection replaces it (`connection_lost`).
            self.transport.close()
        elif run.rate:
            if run.backlog:
                self.send(run.backlog.popleft())
            else:
                run.idle.append(self)
        elif pause := run.think():
            asyncio.get_running_loop().call_later(pause, self.next)
        else:
            self.send()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError("An answer without Content-Length; this generator does not read chunked answers.")


def main() -> None:
    """Run once and print the result as JSON."""
    parser = ArgumentParser(prog="python -m loadtest.generator")
    parser.add_argument("url")
    parser.add_argument("bodies", type=Path, help="file of one JSON body a line")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--wait", type=float, nargs=2, default=(0.0, 0.0))
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--ramp", type=float, default=0.0)
    parser.add_argument("--at-least", type=int, default=0)
    parser.add_argument("--until", type=Path)
    parser.add_argument("--acknowledged", type=Path, help="file for the prediction ids of all answers")
    options = parser.parse_args()
    bodies = options.bodies.read_bytes().splitlines()
    ids: list[str] | None = [] if options.acknowledged else None
    run = Run(options.url, bodies, options.connections, tuple(options.wait), options.rate, options.until, ids)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        result = runner.run(run.measure(options.seconds, options.ramp, options.at_least))
    if options.acknowledged:
        options.acknowledged.write_text("\n".join(ids or ()))
    print(msgspec.json.encode(result).decode())  # noqa: T201 - the program's answer


if __name__ == "__main__":
    main()

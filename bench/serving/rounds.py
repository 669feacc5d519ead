"""Rounds of measurements: all services are up, and each round takes them in a new order."""

import logging
import random
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import msgspec

from bench.serving import drive
from bench.serving.peers import Peer, Running, running
from loadtest.payloads import Record
from loadtest.result import Result
from readmission.errors import UserError

log = logging.getLogger(__name__)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Extent of a comparison.

    Attributes:
        sizes: Records per request. A size of 1 uses the route of single encounters.
        seconds: Duration of one measurement, by size.
        connections: Number of connections, by size.
        half_seconds: Duration of the measurement at half of our rate. If 0, it is left out.
        starts: How often all services are started for `rounds` rounds each. Two processes of one program differ by up
            to a tenth for as long as they live, so what is to be compared to a few percent needs several.
    """

    rounds: int
    workers: tuple[int, ...]
    sizes: tuple[int, ...]
    seconds: dict[int, float]
    connections: dict[int, int]
    half_seconds: float = 0.0
    starts: int = 1

    def of(self, rounds: int, workers: tuple[int, ...] = (), starts: int = 1) -> "Plan":
        """Return the plan with other rounds, workers and starts. If the first two are 0 or empty, it keeps its own."""
        return msgspec.structs.replace(
            self, rounds=rounds or self.rounds, workers=workers or self.workers, starts=starts
        )


FULL = Plan(
    rounds=3,
    workers=(1,),
    sizes=(1, 100, 10_000),
    seconds={1: 4.0, 100: 2.0, 10_000: 3.0},
    connections={1: 32, 100: 2, 10_000: 1},
    half_seconds=4.0,
)
SHORT = Plan(rounds=3, workers=(1,), sizes=(1,), seconds={1: 2.0}, connections={1: 32})
BATCHES = msgspec.structs.replace(FULL, sizes=(100, 10_000), half_seconds=0.0)


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One service at one size: medians over the rounds, and the range of the rate.

    `ratio` is the median of the rate divided by the echo's rate in the same round and size. `cpu_ms` is the CPU time of
    one request, over all processes of the service.
    """

    peer: str
    workers: int
    size: int
    per_second: float
    lowest: float
    highest: float
    ratio: float
    ratios: tuple[float, ...]
    p50_ms: float
    p95_ms: float
    p99_ms: float
    failed: int
    memory_mb: float
    cold_start: float
    cpu_ms: float = 0.0


class Session(msgspec.Struct):
    """All figures of a comparison; `half` is our single rows at half of the measured rate, in an open loop."""

    figures: list[Figure]
    half: Result | None = None


def run(peers: Sequence[Peer], plan: Plan, home: Path, records: list[Record], port: int) -> Session:
    """Measure all services by a plan.

    Args:
        peers: The services. One of them is the echo.
        plan: Extent of the comparison.
        home: Folder of the model.
        records: Encounters to send.
        port: First of as many free ports as there are services.
    """
    session = Session([])
    for workers in plan.workers:
        measured = {size: Measured() for size in plan.sizes}
        for _ in range(plan.starts):
            with ExitStack() as stack:
                up = _start(peers, workers, home, port, stack)
                for size in plan.sizes:
                    _measure(up, plan, size, workers, records, measured[size])
                # Before they end: their memory is measured too.
                figures = [f for size in plan.sizes for f in _figures(measured[size], up, size, workers)]
                if session.half is None and plan.half_seconds:
                    session.half = _half(up["ours"], plan, figures, records)
        session.figures += figures
    return session


def _start(peers: Sequence[Peer], workers: int, home: Path, port: int, stack: ExitStack) -> dict[str, Running]:
    up = {}
    for offset, peer in enumerate(peers):
        try:
            up[peer.name] = stack.enter_context(running(peer, port + offset, workers, home))
        except UserError as error:
            if peer.name in ("ours", "echo"):
                raise
            log.error("%s is left out: %s", peer.label, error)
            continue
        log.info("%s: ready after %.1f s", peer.label, up[peer.name].cold_start)
    return up


def _half(ours: Running, plan: Plan, figures: list[Figure], records: list[Record]) -> Result:
    rate = next(f.per_second for f in figures if f.peer == "ours" and f.size == 1) / 2
    path, bodies = _requests(ours.peer, 1, records)
    measured = [
        drive.send(ours.url + path, bodies, plan.connections[1], plan.half_seconds, rate) for _ in range(plan.rounds)
    ]
    return sorted(measured, key=lambda result: result.p99_ms)[len(measured) // 2]


class Measured:
    """Results and CPU milliseconds a request, by service, in the order of the rounds."""

    def __init__(self) -> None:
        self.results: defaultdict[str, list[Result]] = defaultdict(list)
        self.spent: defaultdict[str, list[float]] = defaultdict(list)


def _measure(
    up: dict[str, Running], plan: Plan, size: int, workers: int, records: list[Record], measured: Measured
) -> None:
    services = {name: service for name, service in up.items() if size == 1 or service.peer.many}
    results, spent = measured.results, measured.spent
    for number in range(plan.rounds):
        order = list(services)
        random.shuffle(order)
        for name in order:
            path, bodies = _requests(services[name].peer, size, records)
            url, seconds = services[name].url + path, plan.seconds[size]
            if number == 0:
                drive.send(url, bodies, plan.connections[size], 1, heavy=size > 1)  # warm
            before = services[name].watch.spent()
            result = drive.send(url, bodies, plan.connections[size], seconds, heavy=size > 1)
            results[name].append(result)
            spent[name].append(1000 * (services[name].watch.spent() - before) / max(1, result.answered))
        rates = ", ".join(f"{name} {results[name][-1].per_second:,.1f}" for name in services)
        log.info("%d worker(s), %s rows, round %d of %d: %s a second", workers, size, number + 1, plan.rounds, rates)


def _figures(measurements: Measured, up: dict[str, Running], size: int, workers: int) -> list[Figure]:
    results, spent = measurements.results, measurements.spent
    echo = [result.per_second for result in results["echo"]]
    return [
        Figure(
            peer=name,
            workers=workers,
            size=size,
            per_second=median(result.per_second for result in measured),
            lowest=min(result.per_second for result in measured),
            highest=max(result.per_second for result in measured),
            ratio=median(ratios := [r.per_second / limit for r, limit in zip(measured, echo, strict=True)]),
            ratios=tuple(ratios),
            p50_ms=median(result.p50_ms for result in measured),
            p95_ms=median(result.p95_ms for result in measured),
            p99_ms=median(result.p99_ms for result in measured),
            failed=sum(result.failed for result in measured),
            memory_mb=up[name].memory_mb,
            cold_start=up[name].cold_start,
            cpu_ms=median(spent[name]),
        )
        for name, measured in results.items()
    ]


def _requests(peer: Peer, size: int, records: list[Record]) -> tuple[str, list[bytes]]:
    if size == 1 or peer.many is None:
        path, body = peer.single
        return path, [body([record]) for record in records]
    path, body = peer.many
    batch_records = (records * (size // len(records) + 1))[:size]
    different = 10 if size <= 100 else 1
    return path, [body(batch_records[turn:] + batch_records[:turn]) for turn in range(0, different * 7, 7)]

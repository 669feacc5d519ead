"""Measure services side by side: all of them up, every round each of them in a new order."""

import logging
import random
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import msgspec

from bench.serving import drive
from bench.serving.peers import NotReadyError, Peer, Running, running
from loadtest.payloads import Record
from loadtest.result import Result

log = logging.getLogger(__name__)


class Plan(msgspec.Struct, frozen=True):
    """Say how much is measured.

    Attributes:
        sizes: records in a request; 1 goes to the route of single encounters.
        seconds: of one measurement, by size.
        connections: at once, by size.
        half_seconds: of our service at half of its rate; 0: not measured.
    """

    rounds: int
    workers: tuple[int, ...]
    sizes: tuple[int, ...]
    seconds: dict[int, float]
    connections: dict[int, int]
    half_seconds: float = 0.0

    def of(self, rounds: int, workers: tuple[int, ...] = ()) -> "Plan":
        """Return the same plan with other rounds and workers; 0 or none: its own."""
        return msgspec.structs.replace(self, rounds=rounds or self.rounds, workers=workers or self.workers)


FULL = Plan(3, (1,), (1, 100, 10_000), {1: 4.0, 100: 2.0, 10_000: 3.0}, {1: 32, 100: 2, 10_000: 1}, 4.0)
SHORT = Plan(3, (1,), (1,), {1: 2.0}, {1: 32})
BATCHES = Plan(3, (1,), (100, 10_000), FULL.seconds, FULL.connections)


class Figure(msgspec.Struct, frozen=True):
    """Hold what one service did with one size: medians over the rounds, and the range of the rate.

    `ratio` is the median over the rounds of rate by the echo's rate of the same round and size; `cpu_ms` is the CPU
    time that all the service's processes spend on a request.
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
    """Hold everything measured; `half`: our single rows at half of the rate found, in an open loop."""

    figures: list[Figure]
    half: Result | None = None


def run(peers: Sequence[Peer], plan: Plan, home: Path, records: list[Record], port: int) -> Session:
    """Run the plan.

    Args:
        peers: the services; one of them is the echo.
        plan: how much.
        home: of the model.
        records: encounters to send.
        port: first of as many free ports as there are services.
    """
    session = Session([])
    for workers in plan.workers:
        with ExitStack() as stack:
            up = {}
            for offset, peer in enumerate(peers):
                try:
                    up[peer.name] = stack.enter_context(running(peer, port + offset, workers, home))
                except NotReadyError as error:
                    if peer.name in ("ours", "echo"):
                        raise
                    log.error("%s is left out: %s", peer.label, error)
                    continue
                log.info("%s: ready after %.1f s", peer.label, up[peer.name].cold_start)
            for size in plan.sizes:
                session.figures += _size(up, plan, size, workers, records)
            if session.half is None and plan.half_seconds:
                session.half = _half(up["ours"], plan, session.figures, records)
    return session


def _half(ours: Running, plan: Plan, figures: list[Figure], records: list[Record]) -> Result:
    rate = next(f.per_second for f in figures if f.peer == "ours" and f.size == 1) / 2
    path, bodies = _requests(ours.peer, 1, records)
    found = [
        drive.send(ours.url + path, bodies, plan.connections[1], plan.half_seconds, rate) for _ in range(plan.rounds)
    ]
    return sorted(found, key=lambda result: result.p99_ms)[len(found) // 2]


def _size(up: dict[str, Running], plan: Plan, size: int, workers: int, records: list[Record]) -> list[Figure]:
    asked = {name: service for name, service in up.items() if size == 1 or service.peer.many}
    results, spent = defaultdict(list), defaultdict(list)
    for number in range(plan.rounds):
        order = list(asked)
        random.shuffle(order)
        for name in order:
            path, bodies = _requests(asked[name].peer, size, records)
            url, seconds = asked[name].url + path, plan.seconds[size]
            if number == 0:
                drive.send(url, bodies, plan.connections[size], 1, heavy=size > 1)  # warm
            before = asked[name].watch.spent()
            result = drive.send(url, bodies, plan.connections[size], seconds, heavy=size > 1)
            results[name].append(result)
            spent[name].append(1000 * (asked[name].watch.spent() - before) / max(1, result.answered))
        rates = ", ".join(f"{name} {results[name][-1].per_second:,.1f}" for name in asked)
        log.info("%d worker(s), %s rows, round %d of %d: %s a second", workers, size, number + 1, plan.rounds, rates)
    echo = [result.per_second for result in results["echo"]]
    return [
        Figure(
            peer=name,
            workers=workers,
            size=size,
            per_second=median(result.per_second for result in found),
            lowest=min(result.per_second for result in found),
            highest=max(result.per_second for result in found),
            ratio=median(ratios := [r.per_second / limit for r, limit in zip(found, echo, strict=True)]),
            ratios=tuple(ratios),
            p50_ms=median(result.p50_ms for result in found),
            p95_ms=median(result.p95_ms for result in found),
            p99_ms=median(result.p99_ms for result in found),
            failed=sum(result.failed for result in found),
            memory_mb=asked[name].memory_mb,
            cold_start=asked[name].cold_start,
            cpu_ms=median(spent[name]),
        )
        for name, found in results.items()
    ]


def _requests(peer: Peer, size: int, records: list[Record]) -> tuple[str, list[bytes]]:
    if size == 1 or peer.many is None:
        path, body = peer.single
        return path, [body([record]) for record in records]
    path, body = peer.many
    whole = (records * (size // len(records) + 1))[:size]
    different = 10 if size <= 100 else 1
    return path, [body(whole[turn:] + whole[:turn]) for turn in range(0, different * 7, 7)]

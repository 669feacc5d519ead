"""Find how many users an API carries: ``make bench WHAT=capacity``.

Doubles the users until the limits break, then bisects. A user is one connection that pauses half a second to one
and a half between requests. This project's generator is light enough that the API is what limits.
"""

import logging
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bench.serving import drive, peers, subject
from loadtest import payloads, report
from loadtest.processes import Watch, listener
from loadtest.result import Result
from readmission.settings import load_settings

log = logging.getLogger(__name__)

WAIT = (0.5, 1.5)
#: Connections of one process; ports and open files end soon above.
MOST = 16_000


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One trial: users, their result, and what the API used (cores, MB; None if it is on another machine)."""

    workers: int
    users: int
    result: Result
    cpu: float | None
    memory_mb: float | None
    holds: bool


class Finder:
    """Search for the number of users that one API carries.

    Args:
        url: URL of the API.
        workers: Its worker processes, for the table.
        watch: Meter of its processes.
        p95_ms: Limit of p95. No request may fail either.
        seconds: Duration of one trial.
    """

    def __init__(self, url: str, workers: int, watch: Watch, p95_ms: float, seconds: float) -> None:
        self.url, self.workers, self.watch = url, workers, watch
        self.p95_ms, self.seconds = p95_ms, seconds
        self.bodies = [payloads.single(record) for record in payloads.encounters(500, 7)]
        self.steps: list[Step] = []

    def find(self, first: int) -> int:
        """Return the highest number of users within the limits, to one part in eight."""
        low, high = 0, first
        while self.holds(high):
            low, high = high, 2 * high
            if low >= MOST:
                return low
        while high - low > max(low // 8, 10):
            middle = (low + high) // 2
            low, high = (middle, high) if self.holds(middle) else (low, middle)
        return low

    def holds(self, users: int) -> bool:
        """Try one number of users."""
        self.watch.measure()
        result = drive.users(f"{self.url}/predict", self.bodies, users, self.seconds, WAIT)
        used = self.watch.measure()
        holds = result.failed == 0 and result.answered > 0 and result.p95_ms <= self.p95_ms
        cpu, memory = used or (None, None)
        self.steps.append(
            Step(workers=self.workers, users=users, result=result, cpu=cpu, memory_mb=memory, holds=holds)
        )
        log.info(
            "%d worker(s), %s users: %s requests/s, p95 %.1f ms, %d failed, API %s cores: %s",
            self.workers,
            f"{users:,}",
            f"{result.per_second:,.0f}",
            result.p95_ms,
            result.failed,
            "?" if cpu is None else f"{cpu:.2f}",
            "holds" if holds else "breaks",
        )
        return holds


def main(arguments: list[str]) -> int:
    """Find the capacity of an API that runs, or of our own with several numbers of workers."""
    parser = ArgumentParser(prog="python -m bench capacity", description=__doc__)
    parser.add_argument("--host", default="", help="URL of a running API [start one for each number of workers]")
    parser.add_argument("--workers", default="1,2", help="numbers of workers to start, separated by commas [1,2]")
    parser.add_argument("--p95", type=float, default=50.0, help="limit in ms [50]")
    parser.add_argument("--seconds", type=float, default=6.0, help="seconds of one trial [6]")
    parser.add_argument("--first", type=int, default=500, help="users to start with [500]")
    parser.add_argument("--port", type=int, default=18250, help="port of the API to start [18250]")
    parser.add_argument("--report", type=Path, help="folder of the report [below the state folder]")
    options = parser.parse_args(arguments)
    settings = load_settings()
    steps: list[Step] = []
    capacities: dict[int, int] = {}
    numbers = [1] if options.host else [int(number) for number in options.workers.split(",")]
    home = settings.home / "bench"
    if not options.host:
        subject.prepare(settings, settings.source, home, alternatives=False)
    for workers in numbers:
        with _api(options.host, workers, options.port, home) as (url, watch):
            finder = Finder(url, workers, watch, options.p95, options.seconds)
            capacities[workers] = finder.find(options.first)
            steps += finder.steps
    folder = options.report or settings.home / "reports" / "capacity"
    sys.stdout.write(write(folder, steps, capacities, options.p95))
    return 0 if all(capacities.values()) else 1


@contextmanager
def _api(host: str, workers: int, port: int, home: Path) -> Iterator[tuple[str, Watch]]:
    if host:
        yield host.rstrip("/"), Watch(listener(host))
        return
    with peers.running(peers.BY_NAME["ours"], port, workers, home) as service:
        yield service.url, service.watch


def write(folder: Path, steps: list[Step], capacities: dict[int, int], p95_ms: float) -> str:
    """Write capacity.json and capacity.svg; return the table."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"machine": report.machine(), "p95_ms": p95_ms, "users": capacities, "steps": steps}
    (folder / "capacity.json").write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
    _draw(folder / "capacity.svg", steps, p95_ms)
    lines = ["| workers | users carried | requests/s | p95 ms | API cores | API MB | to one worker |", "|--:" * 7 + "|"]
    for workers, users in capacities.items():
        best = next((s for s in steps if (s.workers, s.users) == (workers, users)), None)
        if best is None:
            lines.append(f"| {workers} | 0 | | | | | |")
            continue
        used = " | ".join("?" if v is None else f"{v:,.{d}f}" for v, d in ((best.cpu, 2), (best.memory_mb, 0)))
        scaling = f"{users / capacities[1]:.2f} x" if capacities.get(1) else ""
        rate, p95 = f"{best.result.per_second:,.0f}", f"{best.result.p95_ms:.1f}"
        lines.append(f"| {workers} | {users:,} | {rate} | {p95} | {used} | {scaling} |")
    return "\n".join(lines) + "\n"


def _draw(path: Path, steps: list[Step], limit: float) -> None:
    import matplotlib.pyplot as plt

    figure, (delay, rate) = plt.subplots(2, 1, figsize=(8, 6), sharex=True, layout="constrained")
    for workers, colour in zip(sorted({s.workers for s in steps}), ("#0b6470", "#e3a53f", "#b03a24"), strict=False):
        chosen = sorted((s for s in steps if s.workers == workers), key=lambda s: s.users)
        users = [s.users for s in chosen]
        label = f"{workers} worker{'s' if workers > 1 else ''}"
        delay.plot(users, [s.result.p95_ms for s in chosen], "o-", color=colour, label=label)
        rate.plot(users, [s.result.per_second for s in chosen], "o-", color=colour, label=label)
    delay.axhline(limit, color="#52686f", linestyle=":", label="limit")
    delay.set_ylabel("p95, ms")
    delay.set_yscale("log")
    rate.set_ylabel("requests/s")
    rate.set_xlabel("users")
    for axis in (delay, rate):
        axis.spines[["top", "right"]].set_visible(False)
    delay.legend(frameon=False)
    figure.savefig(path)
    plt.close(figure)

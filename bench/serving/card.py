"""Measure the card of CDS Hooks: ``make bench WHAT=card``.

Discharges of the sandbox's hospital, each with a token of its own, are sent to one worker: as fast as it answers, then
at half of that rate, then at that rate while the model is swapped twenty times. Limits: p99 of 25 ms at half of
capacity, and no failed call; the last line is the verdict. The caller shares the machine with the
API, as in every benchmark here.
"""

import http.client
import itertools
import json
import logging
import threading
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from urllib.parse import urlsplit

import msgspec
import numpy as np

from bench.serving import disrupt, peers
from readmission.sandbox import hospital, record_system
from readmission.sandbox.record_system import RecordSystem
from readmission.settings import load_settings

log = logging.getLogger(__name__)

#: Limit of p99 in milliseconds, at half of capacity.
P99_MS = 25.0
_CALLERS = 8
_PATH = f"/cds-services/{record_system.SERVICE_ID}"


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """What became of some calls.

    Attributes:
        answered: Calls that got a card.
        failed: All others.
        statuses: Number of answers by status; 0 stands for a broken connection.
        seconds: Duration of it all.
        p50_ms, p99_ms: Quantiles of the time from when a call was due to its answer.
    """

    answered: int
    failed: int
    statuses: dict[int, int]
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        """Cards a second."""
        return self.answered / self.seconds


class Caller:
    """Record system that calls one API many times at once.

    Args:
        url: URL of the API.
        system: The record system, trusted there.
        bodies: Requests to send, in turn.
    """

    def __init__(self, url: str, system: RecordSystem, bodies: Sequence[bytes]) -> None:
        self._host, self._port = urlsplit(url).hostname or "", urlsplit(url).port
        self._system, self._bodies = system, bodies

    def call(self, seconds: float, rate: float = 0.0, stop: threading.Event | None = None) -> Calls:
        """Call for some seconds or until told to stop; without a rate, as fast as cards come.

        Args:
            seconds: At most so long.
            rate: Calls a second, evenly spaced. A late one counts from when it was due.
            stop: Ends the calls early.
        """
        begun, lock, taken = time.perf_counter() + 0.2, threading.Lock(), itertools.count()
        times: list[float] = []
        statuses: Counter[int] = Counter()

        def work() -> None:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=20)
            while not (stop and stop.is_set()):
                number = next(taken)
                token = self._system.sign(_PATH)
                due = begun + number / rate if rate else max(begun, time.perf_counter())
                if due >= begun + seconds:
                    break
                time.sleep(max(due - time.perf_counter(), 0))
                status = self._once(connection, token, number)
                with lock:
                    statuses[status] += 1
                    times.append(time.perf_counter() - due)
            connection.close()

        with ThreadPoolExecutor(_CALLERS) as pool:
            for each in [pool.submit(work) for _ in range(_CALLERS)]:
                each.result()
        answered = statuses[200]
        p50, p99 = (1000 * float(np.quantile(times, q)) for q in (0.5, 0.99))
        return Calls(
            answered=answered,
            failed=sum(statuses.values()) - answered,
            statuses=dict(statuses),
            seconds=time.perf_counter() - begun,
            p50_ms=p50,
            p99_ms=p99,
        )

    def _once(self, connection: http.client.HTTPConnection, token: str, number: int) -> int:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        try:
            connection.request("POST", _PATH, self._bodies[number % len(self._bodies)], headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return 0
        # An answer without a card is as good as none here: each of these patients is one that the model knows.
        return answer.status if answer.status != 200 or json.loads(content).get("cards") else 0


def bodies(system: RecordSystem, service: dict[str, object]) -> list[bytes]:
    """Return a request for each stay of the hospital that gets a card."""
    calls = [system.discharge(service, stay, date.today()) for stay in system.hospital.discharges()]
    return [json.dumps(call.request).encode() for call in calls if call.cards]


def main(arguments: list[str]) -> int:
    """Measure, and end with 3 when a call failed or p99 at half of capacity is above the limit."""
    parser = ArgumentParser(prog="python -m bench card", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds of one measurement [10]")
    parser.add_argument("--port", type=int, default=18270, help="port of the API to start [18270]")
    options = parser.parse_args(arguments)
    settings = load_settings()
    home = settings.home / "bench"
    models = disrupt.prepare(settings, home)
    key = record_system.make_key(home / "key.pem")
    (home / "jwks.json").write_text(record_system.key_set(key))
    clients = [{"name": "bench", "issuer": record_system.ISSUER, "jwks_file": "jwks.json"}]
    (home / "clients.json").write_text(json.dumps({"clients": clients}))
    url = f"http://127.0.0.1:{options.port}"
    trust = {"CDS_CLIENTS": str(home / "clients.json"), "CDS_URL": url}
    with peers.running(peers.BY_NAME["ours"], options.port, 1, home, **trust) as service:
        system = RecordSystem(url, key, hospital.load())
        sent = bodies(system, system.discover())
        log.info("%d stays with a card, %.0f kB each at the median", len(sent), np.median(list(map(len, sent))) / 1000)
        caller = Caller(url, system, sent)
        fastest = caller.call(options.seconds)
        log.info("capacity: %.0f cards a second, %d failed", fastest.per_second, fastest.failed)
        rate = fastest.per_second / 2
        half = caller.call(options.seconds, rate)
        log.info("at %.0f a second: p50 %.1f ms, p99 %.1f ms, %d failed", rate, half.p50_ms, half.p99_ms, half.failed)
        swapped = while_swapping(caller, rate, lambda: disrupt.swaps(service, models))
        log.info(
            "under 20 swaps: %d answered, %d failed, p99 %.1f ms", swapped.answered, swapped.failed, swapped.p99_ms
        )
    sentence, holds = verdict(fastest, half, swapped)
    log.info(sentence)
    return 0 if holds else 3


def verdict(fastest: Calls, half: Calls, swapped: Calls) -> tuple[str, bool]:
    """Return whether the limits hold, in one line with the ratio of p99 to its limit, and as a truth value."""
    failed = fastest.failed + half.failed + swapped.failed
    holds = not failed and half.p99_ms <= P99_MS
    ratio = half.p99_ms / P99_MS
    sentence = (
        f"p99 at half of capacity {half.p99_ms:.1f} ms, {ratio:.2f} of the limit of {P99_MS:.0f} ms; {failed} failed"
    )
    return f"{sentence}: {'HOLDS' if holds else 'DOES NOT HOLD'}", holds


def while_swapping(caller: Caller, rate: float, swap: Callable[[], None]) -> Calls:
    """Call at a rate while the model is swapped, and until two seconds afterwards."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(caller.call, 120.0, rate, stop)
        try:
            time.sleep(1)
            swap()
            time.sleep(2)
        finally:
            stop.set()
        return running.result()

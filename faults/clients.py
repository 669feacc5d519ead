"""Clients that ask for predictions at an even rate until they are stopped, and write down every answer."""

import contextlib
import itertools
import json
import threading
import time
import uuid
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException

from faults.journal import Journal, Request, sentence_of
from readmission.backup.drill_system import RECORDS

#: Seconds that a client waits for an answer.
PATIENCE = 10.0
_BODIES = [json.dumps(record).encode() for record in RECORDS]


class Clients:
    """Threads, each with a connection of its own.

    Args:
        port: Port of the API on the loopback.
        rate: Requests per second, together.
        threads: Number of clients.
    """

    def __init__(self, port: int, rate: float, threads: int = 4) -> None:
        self.journal = Journal()
        self.prefix = f"fault-{uuid.uuid4().hex[:8]}-"
        self._port, self._pause = port, threads / rate
        self._stop, self._numbers = threading.Event(), itertools.count()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        due = time.monotonic()
        while not self._stop.is_set():
            request = self._ask(connection, next(self._numbers))
            self.journal.add(request)
            if request.status is None:
                connection.close()
                self._stop.wait(0.05)
            due = max(due + self._pause, time.monotonic() - 1)
            self._stop.wait(max(0.0, due - time.monotonic()))
        connection.close()

    def _ask(self, connection: HTTPConnection, number: int) -> Request:
        name, began, record = f"{self.prefix}{number}", time.monotonic(), number % len(_BODIES)
        headers = {"content-type": "application/json", "x-request-id": name}
        try:
            connection.request("POST", "/predict", _BODIES[record], headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, HTTPException) as error:
            sentence = _describe(error)
            return Request(name=name, began=began, ended=time.monotonic(), status=None, sentence=sentence)
        ended = time.monotonic()
        if response.status != 200:
            sentence = sentence_of(body)
            return Request(name=name, began=began, ended=ended, status=response.status, sentence=sentence)
        content = json.loads(body)
        answer = (record, str(content["model_version"]), json.dumps(content["probabilities"]))
        return Request(name=name, began=began, ended=ended, status=200, answer=answer)

    def stop(self) -> Journal:
        """Stop asking, and return what happened."""
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE + 5)
        return self.journal


def _describe(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, TimeoutError):
        return f"no answer within {PATIENCE:.0f} s"
    return "connection broken"


@contextlib.contextmanager
def asking(port: int, rate: float, threads: int = 4, *, before: float = 1.0, after: float = 1.0) -> Iterator[Clients]:
    """Ask during a fault, and for some seconds before and after it; the journal is complete afterwards."""
    clients = Clients(port, rate, threads)
    try:
        time.sleep(before)
        yield clients
        time.sleep(after)
    finally:
        clients.stop()

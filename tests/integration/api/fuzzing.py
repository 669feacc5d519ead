"""Wrong and half-right requests, sent one after the other to a running API."""

import http.client
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.integration.api.tools import Api

#: Path, body and headers of a POST.
Request = tuple[str, bytes, dict[str, str]]

JUNK: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1,
    10**30,
    -0.0,
    1.5,
    1e308,
    "",
    "?",
    "No",
    "428",
    "V27",
    "é" * 50,
    "\x00",
    [],
    {},
    [[]],
    {"a": []},
    "9" * 100,
    "[70-80)",
    "2026-01-01T00:00:00Z",
    "01890000-0000-7000-8000-000000000000",
)


def as_spoilt_json(draw: random.Random, content: object) -> bytes:
    """Return a value as JSON, of which up to five pieces may be replaced by random bytes."""
    data = bytearray(json.dumps(content).encode())
    for _ in range(draw.choice((0, 0, 0, 1, 5))):
        spot = draw.randrange(len(data) + 1)
        data[spot : spot + draw.randint(0, 3)] = draw.randbytes(draw.randint(0, 3))
    return bytes(data)


def memory(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def send(api: Api, count: int, request: Callable[[], Request]) -> dict[int, int]:
    """Send requests and return how often each code came; no 5xx may come, and memory must stay flat.

    Memory counts from a quarter of the requests on, when buffers and caches have their size.
    """
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=20)
    codes: dict[int, int] = {}
    pid, before = api.workers()[0], 0.0
    for number in range(count):
        path, data, headers = request()
        connection.request("POST", path, data, headers)
        answer = connection.getresponse()
        answer.read()
        codes[answer.status] = codes.get(answer.status, 0) + 1
        assert answer.status < 500, (path, data, answer.status)
        if number == count // 4:
            before = memory(pid)
    print(f"{count} requests: {codes}; memory {before:.0f} -> {memory(pid):.0f} MB")
    assert memory(pid) < before + 10
    return codes

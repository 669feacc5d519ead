"""How calls of CDS Hooks are counted and timed."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.serving.card import Caller, Calls, verdict, while_swapping
from readmission.sandbox import record_system
from readmission.sandbox.hospital import Hospital
from readmission.sandbox.record_system import RecordSystem

TOKENS: set[str] = set()


class Handler(BaseHTTPRequestHandler):
    """Answer a card, none to the body `outside`, and 503 to `busy`."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        TOKENS.add(self.headers["authorization"])
        content = json.dumps({"cards": [] if body == b"outside" else [1]}).encode()
        self.send_response(503 if body == b"busy" else 200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def caller(url: str, folder: Path, *bodies: bytes) -> Caller:
    key = record_system.make_key(folder / "key.pem")
    return Caller(url, RecordSystem(url, key, Hospital([])), bodies)


def test_each_call_has_a_token_of_its_own_and_only_cards_count(url: str, tmp_path: Path) -> None:
    TOKENS.clear()
    calls = caller(url, tmp_path, b"good", b"outside", b"busy", b"good").call(1.0, rate=40)
    assert calls.answered == 20 and calls.failed == 20
    assert calls.statuses == {200: 20, 0: 10, 503: 10}
    assert len(TOKENS) == 40 and 0 < calls.p50_ms <= calls.p99_ms
    assert calls.per_second == pytest.approx(20, rel=0.5)


def test_calls_go_on_while_the_model_is_swapped_and_stop_afterwards(url: str, tmp_path: Path) -> None:
    swapped = threading.Event()
    calls = while_swapping(caller(url, tmp_path, b"good"), 50, swapped.set)
    assert swapped.is_set() and calls.failed == 0 and calls.answered >= 50


@pytest.mark.parametrize(
    ("p99_ms", "failed", "holds", "line"),
    [
        (20.0, 0, True, "p99 at half of capacity 20.0 ms, 0.80 of the limit of 25 ms; 0 failed: HOLDS"),
        (30.0, 0, False, "p99 at half of capacity 30.0 ms, 1.20 of the limit of 25 ms; 0 failed: DOES NOT HOLD"),
        (20.0, 1, False, "p99 at half of capacity 20.0 ms, 0.80 of the limit of 25 ms; 1 failed: DOES NOT HOLD"),
    ],
)
def test_verdict_has_the_ratio_to_the_limit_and_minds_failures(
    p99_ms: float, failed: int, holds: bool, line: str
) -> None:
    good = Calls(answered=9, failed=0, statuses={200: 9}, seconds=1.0, p50_ms=5.0, p99_ms=p99_ms)
    swapped = Calls(answered=9, failed=failed, statuses={200: 9, 0: failed}, seconds=1.0, p50_ms=5.0, p99_ms=99.0)
    assert verdict(good, good, swapped) == (line, holds)

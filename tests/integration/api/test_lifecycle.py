"""The API under more than it can do, and at its end: refusals at once, a drain that drops nothing."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import httpx
import pytest

from tests import fhir_stay
from tests.integration.api.record_system import resources
from tests.integration.api.tools import EXAMPLE, Api, install, until


@pytest.mark.parametrize("path", ["/predict", "/fhir/RiskAssessment"])
def test_overload_is_refused_at_once_and_passes(compiled: dict[str, Path], tmp_path: Path, path: str) -> None:
    install(tmp_path, compiled["lightgbm"], "1")
    api = Api(tmp_path, {"READMISSION_API_MAX_WAITING": "4"}).wait("/readyz")
    try:
        body = json.dumps(EXAMPLE if path == "/predict" else fhir_stay.bundle(resources())).encode()
        request = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
        sockets = [socket.create_connection(("127.0.0.1", api.port)) for _ in range(400)]
        codes: list[bytes] = []
        worker = api.workers()[0]
        # The worker is held while all requests arrive, so that they wait together.
        subprocess.run(["kill", "-STOP", str(worker)], check=True)
        for connection in sockets:
            connection.sendall(request)
        subprocess.run(["kill", "-CONT", str(worker)], check=True)
        for connection in sockets:
            codes.append(connection.recv(65_536).split()[1])
            connection.close()
        assert codes.count(b"200") >= 4 and codes.count(b"503") >= 10
        assert len(codes) == codes.count(b"200") + codes.count(b"503")
        assert api.metric("readmission_requests_rejected_total", reason="busy") == codes.count(b"503")
        assert api.predict().status_code == 200
    finally:
        api.stop()


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate of localhost and its key."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
    subprocess.run([*command.split(), "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key


def ask(api: Api, stopping: threading.Event, failures: list[str]) -> None:
    """Ask until nobody takes new connections, and note every answer but 200."""
    with httpx.Client(base_url=api.http.base_url, verify=False, trust_env=False) as client:
        while True:
            try:
                code = client.post("/predict", json=EXAMPLE).status_code
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                # Nobody takes new connections any more (over TLS the handshake then waits): nothing was lost.
                if not stopping.is_set():
                    failures.append(repr(error))
                return
            except httpx.HTTPError as error:
                failures.append(repr(error))
                return
            if code != 200:
                failures.append(str(code))


def test_shadow_drain_and_tls(compiled: dict[str, Path], tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    install(tmp_path, compiled["lightgbm"], "1")
    install(tmp_path, compiled["decision_tree"], "2", alias="challenger")
    api = Api(
        tmp_path,
        {
            "READMISSION_API_CERTIFICATE": str(certificate),
            "READMISSION_API_CERTIFICATE_KEY": str(key),
            "READMISSION_CHALLENGER": "shadow",
        },
    ).wait("/readyz")
    assert {api.predict().json()["model_version"] for _ in range(20)} == {"1"}
    assert api.metric("readmission_predictions_total", variant="shadow", model_version="2") == 20

    failures: list[str] = []
    stopping = threading.Event()
    threads = [threading.Thread(target=ask, args=(api, stopping, failures)) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    stopping.set()
    assert api.stop(signal.SIGINT) == 0
    for thread in threads:
        thread.join()
    assert not failures


def test_a_worker_that_ends_asks_its_clients_to_leave(
    compiled: dict[str, Path], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    install(tmp_path, compiled["lightgbm"], "1")
    api = Api(tmp_path, {"READMISSION_API_DRAIN": "6"})
    request.addfinalizer(lambda: api.process.poll() is None and api.stop())
    api.wait("/readyz")
    watched, idle, unused = (HTTPConnection("127.0.0.1", api.port, timeout=20) for _ in range(3))

    def ask(connection: HTTPConnection, method: str, path: str, body: bytes | None = None) -> HTTPResponse:
        connection.request(method, path, body)
        answer = connection.getresponse()
        answer.read()
        return answer

    assert [ask(each, "GET", "/readyz").will_close for each in (watched, idle, unused)] == [False] * 3
    begun = time.monotonic()
    os.kill(api.workers()[0], signal.SIGTERM)
    # Both connections were open before; none is closed under a request, and each learns that it will be.
    answer = until(lambda: (seen := ask(watched, "GET", "/readyz")).status == 503 and seen)
    assert answer.will_close
    late = HTTPConnection("127.0.0.1", api.port, timeout=30)
    answered_late = ThreadPoolExecutor(1).submit(ask, late, "GET", "/readyz")
    answer = ask(idle, "POST", "/predict", json.dumps(EXAMPLE).encode())
    assert (answer.status, answer.will_close) == (200, True)
    assert unused.sock.recv(1) == b"" and 0.5 < time.monotonic() - begun < 5
    # Who came after the signal is not taken in by the one that ends, and waits for the next one.
    assert not answered_late.result(30).will_close
    assert api.predict().status_code == 200
    assert api.stop() == 0

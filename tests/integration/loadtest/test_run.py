"""Whole runs against a real server that answers well, slowly, badly or not at all."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtest.generator import Run

ROOT = Path(__file__).parents[3]
#: A server of its own process; /predict answers as the path of the test wants.
SERVER = """
import asyncio, sys
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await asyncio.sleep(DELAY)
    bad = any(wrong in body for wrong in (b"seventy", b"blood_pressure", b'"time_in_hospital":99'))
    bad = bad or b"gender" not in body
    status = STATUS if STATUS != 200 else 400 if scope["path"] == "/predict" and bad else 200
    headers = [(b"content-length", b"2"), (b"connection", b"close" if CLOSES else b"keep-alive")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})
"""
PROFILE = """
description = "a short one"
wait_seconds = [0.05, 0.1]
mix = { predict = 90, invalid = 10 }
stages = [{ users = 10, spawn_rate = 20, seconds = 3 }]
[limits]
p95_ms = LIMIT
error_ratio = 0.0
requests_per_second = 5
"""


class Server:
    def __init__(self, folder: Path, port: int, delay: float = 0.0, status: int = 200, closes: bool = False) -> None:
        source = SERVER.replace("DELAY", str(delay)).replace("STATUS", str(status)).replace("CLOSES", str(closes))
        (folder / "server.py").write_text(source)
        self.url = f"http://127.0.0.1:{port}"
        arguments = ["uvicorn", "--app-dir", str(folder), "server:app", "--port", str(port), "--log-level", "error"]
        self.process = subprocess.Popen([sys.executable, "-m", *arguments])
        asyncio.run(self._wait(port))

    async def _wait(self, port: int) -> None:
        for _ in range(200):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
        raise AssertionError("the test's server did not start")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture
def server(tmp_path: Path, port: int, request: pytest.FixtureRequest) -> Iterator[Server]:
    started = Server(tmp_path, port, **getattr(request, "param", {}))
    yield started
    started.stop()


def run(folder: Path, url: str, limit: int = 3000) -> tuple[int, str, dict[str, Any]]:
    (folder / "short.toml").write_text(PROFILE.replace("LIMIT", str(limit)))
    arguments = [str(folder / "short.toml"), "--host", url, "--report", str(folder / "report")]
    done = subprocess.run(
        [sys.executable, "-m", "loadtest", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr, json.loads((folder / "report" / "summary.json").read_text())


def test_a_good_server_passes_and_leaves_its_report(tmp_path: Path, server: Server) -> None:
    code, output, summary = run(tmp_path, server.url)
    assert code == 0, output
    assert "every limit holds" in output
    assert summary["breaches"] == []
    for name in ("report.html", "moments.csv", "moments.svg", "locust_stats.csv"):
        assert (tmp_path / "report" / name).stat().st_size > 0


@pytest.mark.parametrize("server", [{"delay": 0.3}], indirect=True)
def test_a_slow_server_ends_with_3_and_names_the_breach(tmp_path: Path, server: Server) -> None:
    code, output, summary = run(tmp_path, server.url, 150)
    assert code == 3, output
    assert "p95 of" in output
    assert "is above 150 ms" in output
    assert len(summary["breaches"]) >= 1


@pytest.mark.parametrize("server", [{"status": 500}], indirect=True)
def test_failures_end_with_3(tmp_path: Path, server: Server) -> None:
    code, output, _ = run(tmp_path, server.url)
    assert code == 3, output
    assert "failed requests is above 0.00%" in output


def test_nobody_there_ends_with_3(tmp_path: Path, port: int) -> None:
    code, output, _ = run(tmp_path, f"http://127.0.0.1:{port}")
    assert code == 3, output


def test_a_profile_of_the_own_generator_leaves_the_same_reports(tmp_path: Path, server: Server) -> None:
    own = PROFILE.replace("predict = 90, invalid = 10", "predict = 1") + "users = 10\n"
    own = own.replace("[limits]", 'generator = "own"\n[limits]')
    for limit, code, verdict in ((3000, 0, "PASS: every limit holds"), (0, 3, "FAIL: p95 of")):
        (tmp_path / "own.toml").write_text(own.replace("LIMIT", str(limit)).replace("seconds = 3", "seconds = 4"))
        arguments = [str(tmp_path / "own.toml"), "--host", server.url, "--report", str(tmp_path / "report")]
        done = subprocess.run(
            [sys.executable, "-m", "loadtest", *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert verdict in done.stderr
        summary = json.loads((tmp_path / "report" / "summary.json").read_text())
        assert summary["summary"]["users"] == (10 if code == 0 else 0)
        for name in ("report.html", "moments.csv", "moments.svg", "locust_stats.csv"):
            assert (tmp_path / "report" / name).stat().st_size > 0


def test_generator_counts_what_it_sent(server: Server) -> None:
    result = asyncio.run(Run(f"{server.url}/predict", [b'{"gender": 1}'], 8).measure(1.0))
    assert result.failed == 0
    assert result.answered > 100
    assert 0 < result.p50_ms <= result.p95_ms <= result.p99_ms <= result.worst_ms


def test_generator_keeps_an_open_rate(server: Server) -> None:
    result = asyncio.run(Run(f"{server.url}/predict", [b'{"gender": 1}'], 8, rate=200).measure(2.0))
    assert result.failed == 0
    assert 350 <= result.answered <= 450


@pytest.mark.parametrize("server", [{"closes": True}], indirect=True)
def test_generator_leaves_a_connection_when_told_to(server: Server) -> None:
    result = asyncio.run(Run(f"{server.url}/predict", [b'{"gender": 1}'], 8).measure(1.0))
    assert (result.failed, result.broken) == (0, 0)
    assert result.answered > 20


def test_generator_counts_refusals_as_failures(server: Server) -> None:
    result = asyncio.run(Run(f"{server.url}/predict", [b'{"blood_pressure": 1}'], 2).measure(0.5))
    assert result.answered == 0
    assert result.failed > 0
    assert set(result.statuses) == {"400"}


def test_generator_counts_a_server_that_dies(server: Server) -> None:
    async def killed() -> int:
        run = Run(f"{server.url}/predict", [b'{"gender": 1}'], 8)
        measured = asyncio.ensure_future(run.measure(1.0))
        await asyncio.sleep(0.4)
        server.process.kill()
        return (await measured).broken

    assert asyncio.run(killed()) > 0

"""Load on one service: by wrk if it is installed (compiled, the lightest), else by this project's generator."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from loadtest.result import Result

#: Sends the lines of a file in turn, and prints the same fields as the generator.
_LUA = """
local requests, turn = {}, 0
for line in io.lines("BODIES") do
  requests[#requests + 1] = wrk.format("POST", nil, {["Content-Type"] = "application/json"}, line)
end
request = function() turn = turn % #requests + 1; return requests[turn] end
done = function(summary, latency, _)
  local e = summary.errors
  io.write(string.format(
    '\\n{"requests":%d,"seconds":%f,"status":%d,"broken":%d,"p50":%f,"p95":%f,"p99":%f,"max":%f}\\n',
    summary.requests, summary.duration / 1e6, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(95), latency:percentile(99), latency.max))
end
"""


def tool() -> str:
    """Name the load generator: wrk where this machine has it, else this project's."""
    return "wrk" if shutil.which("wrk") else "loadtest.generator"


def send(
    url: str, bodies: Sequence[bytes], connections: int, seconds: float, rate: float = 0.0, *, heavy: bool = False
) -> Result:
    """Send bodies in turn for some seconds.

    Args:
        url: URL of the route.
        bodies: Bodies of POST requests, each without a newline.
        connections: Number of connections.
        seconds: Duration.
        rate: Requests per second (open loop). If 0, requests follow answers.
        heavy: Whether an answer takes long, so that the run continues until there are three. `heavy` and `rate` need
            this project's generator.

    Raises:
        RuntimeError: The generator failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bodies"
        path.write_bytes(b"\n".join(bodies) + b"\n")
        if rate or heavy or tool() != "wrk":
            return _generator(url, path, connections, seconds, rate, 3 if heavy else 0)
        return _wrk(url, path, connections, seconds)


def users(url: str, bodies: Sequence[bytes], count: int, seconds: float, wait: tuple[float, float]) -> Result:
    """Let users, each with its own connection, send bodies with pauses in between.

    Args:
        url: URL of the route.
        bodies: Bodies of POST requests.
        count: Number of users. They arrive within two seconds that are not counted.
        seconds: How long they stay.
        wait: Shortest and longest pause, in seconds.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bodies"
        path.write_bytes(b"\n".join(bodies) + b"\n")
        command = [sys.executable, "-m", "loadtest.generator", url, str(path), "--connections", str(count)]
        command += ["--seconds", str(seconds), "--ramp", "2", "--wait", *map(str, wait)]
        return msgspec.json.decode(_run(command), type=Result)


def _generator(url: str, bodies: Path, connections: int, seconds: float, rate: float, least: int) -> Result:
    command = [sys.executable, "-m", "loadtest.generator", url, str(bodies)]
    command += [
        "--connections",
        str(connections),
        "--seconds",
        str(seconds),
        "--rate",
        str(rate),
        "--at-least",
        str(least),
    ]
    return msgspec.json.decode(_run(command), type=Result)


def _wrk(url: str, bodies: Path, connections: int, seconds: float) -> Result:
    script = bodies.with_suffix(".lua")
    script.write_text(_LUA.replace("BODIES", str(bodies)))
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{max(1, round(seconds))}s",
        "--timeout",
        "120s",
        "-s",
        str(script),
        url,
    ]
    output = json.loads(_run(command).splitlines()[-1])
    failed = output["status"] + output["broken"]
    answered = output["requests"] - output["status"]
    return Result(
        seconds=output["seconds"],
        answered=answered,
        failed=failed,
        per_second=answered / output["seconds"],
        p50_ms=output["p50"] / 1000,
        p95_ms=output["p95"] / 1000,
        p99_ms=output["p99"] / 1000,
        worst_ms=output["max"] / 1000,
        statuses={"200": answered, "other": output["status"]},
        broken=output["broken"],
    )


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()

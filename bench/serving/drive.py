"""Drive one service: wrk where it is installed (compiled, the lightest), else this project's generator."""

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
        url: of the route.
        bodies: of POST requests, each without a newline.
        connections: requests at once.
        seconds: how long.
        rate: requests a second (open loop); 0: as fast as answers come.
        heavy: an answer takes long: go on until three are there. This and `rate` are by this project's generator.

    Raises:
        RuntimeError: the generator failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bodies"
        path.write_bytes(b"\n".join(bodies) + b"\n")
        if rate or heavy or tool() != "wrk":
            return _generator(url, path, connections, seconds, rate, 3 if heavy else 0)
        return _wrk(url, path, connections, seconds)


def users(url: str, bodies: Sequence[bytes], count: int, seconds: float, wait: tuple[float, float]) -> Result:
    """Let users, each with a connection of its own, send bodies and think in between.

    Args:
        url: of the route.
        bodies: of POST requests.
        count: of users; they come over two seconds that are not counted.
        seconds: how long they stay.
        wait: least and most seconds of thought.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bodies"
        path.write_bytes(b"\n".join(bodies) + b"\n")
        words = [sys.executable, "-m", "loadtest.generator", url, str(path), "--connections", str(count)]
        words += ["--seconds", str(seconds), "--ramp", "2", "--wait", *map(str, wait)]
        return msgspec.json.decode(_run(words), type=Result)


def _generator(url: str, bodies: Path, connections: int, seconds: float, rate: float, least: int) -> Result:
    words = [sys.executable, "-m", "loadtest.generator", url, str(bodies)]
    words += [
        "--connections",
        str(connections),
        "--seconds",
        str(seconds),
        "--rate",
        str(rate),
        "--at-least",
        str(least),
    ]
    return msgspec.json.decode(_run(words), type=Result)


def _wrk(url: str, bodies: Path, connections: int, seconds: float) -> Result:
    script = bodies.with_suffix(".lua")
    script.write_text(_LUA.replace("BODIES", str(bodies)))
    words = [
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
    said = json.loads(_run(words).splitlines()[-1])
    failed = said["status"] + said["broken"]
    answered = said["requests"] - said["status"]
    return Result(
        seconds=said["seconds"],
        answered=answered,
        failed=failed,
        per_second=answered / said["seconds"],
        p50_ms=said["p50"] / 1000,
        p95_ms=said["p95"] / 1000,
        p99_ms=said["p99"] / 1000,
        worst_ms=said["max"] / 1000,
        statuses={"200": answered, "other": said["status"]},
        broken=said["broken"],
    )


def _run(words: list[str]) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise RuntimeError(f"{words[0]} failed: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()

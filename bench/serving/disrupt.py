"""Count what fails while the API is disturbed: ``make bench WHAT=disrupt``.

Under an even rate of requests to two workers, it swaps the model back and forth and ends a worker. No request may fail
and no answer may come from a version that was never served.
"""

import json
import logging
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from bench.serving import peers, subject
from bench.serving.peers import Running
from loadtest import payloads
from loadtest.result import Result
from readmission.files import write_atomic
from readmission.polling import wait_until
from readmission.settings import Settings, load_settings

log = logging.getLogger(__name__)

Disturbance = Callable[[Running, Path], None]


def swaps(service: Running, models: Path) -> None:
    """Swap the model twenty times, and wait each time until every worker serves it."""
    slowest = 0.0
    for number in range(20):
        version = "2" if number % 2 == 0 else "1"
        begun = time.monotonic()
        write_atomic(models / "aliases.json", json.dumps({"champion": version, "registry": "ok"}))
        failure = f"The workers do not serve version {version} after 20 s."
        wait_until(partial(_serve, models, version), seconds=20, every=0.02, failure=failure)
        slowest = max(slowest, time.monotonic() - begun)
    log.info("20 swaps, the slowest took %.2f s until every worker served it", slowest)


def ended_worker(service: Running, models: Path) -> None:
    """Ask one worker to end, as a rolling restart does, and wait until there are as many as before."""
    _end(service, models, signal.SIGTERM)


def killed_worker(service: Running, models: Path) -> None:
    """Kill one worker; the requests that it was answering are lost."""
    _end(service, models, signal.SIGKILL)


DISTURBANCES: dict[str, Disturbance] = {"swaps": swaps, "ended worker": ended_worker, "killed worker": killed_worker}


def main(arguments: list[str]) -> int:
    """Disturb, count, and end with 3 when something failed that should not."""
    parser = ArgumentParser(prog="python -m bench disrupt", description=__doc__)
    parser.add_argument("--rate", type=float, default=1000.0, help="requests a second [1000]")
    parser.add_argument("--port", type=int, default=18260, help="port of the API to start [18260]")
    options = parser.parse_args(arguments)
    settings = load_settings()
    home = settings.home / "bench"
    models = prepare(settings, home)
    lost = 0
    with peers.running(peers.BY_NAME["ours"], options.port, 2, home) as service:
        for name, disturbance in DISTURBANCES.items():
            result = under_load(service, options.rate, partial(disturbance, service, models))
            log.info(
                "%s: %s answered, %d failed (%s; %d broken), p99 %.1f ms, worst %.0f ms",
                name,
                f"{result.answered:,}",
                result.failed,
                result.statuses,
                result.broken,
                result.p99_ms,
                result.worst_ms,
            )
            lost += result.failed if name != "killed worker" else 0
    return 3 if lost else 0


def prepare(settings: Settings, home: Path) -> Path:
    """Prepare a home with two versions of the model; return the models' folder."""
    subject.prepare(settings, settings.source, home, alternatives=False)
    models = home / "models" / settings.mlflow.model_name
    shutil.copytree(models / "1", models / "2")
    return models


def under_load(service: Running, rate: float, act: Callable[[], None]) -> Result:
    """Send requests at a rate, act after a second, stop two seconds after it is done; return what happened."""
    with tempfile.TemporaryDirectory() as folder:
        bodies, stop = Path(folder) / "bodies", Path(folder) / "stop"
        bodies.write_bytes(b"\n".join(payloads.single(record) for record in payloads.encounters(500, 7)))
        generator = ["loadtest.generator", f"{service.url}/predict", str(bodies), "--rate", str(rate)]
        generator += ["--connections", "32", "--seconds", "120", "--until", str(stop)]
        load_process = subprocess.Popen([sys.executable, "-m", *generator], stdout=subprocess.PIPE)
        try:
            time.sleep(1.5)
            act()
            time.sleep(2)
            stop.touch()
            output, _ = load_process.communicate(timeout=60)
        finally:
            load_process.kill()
    return msgspec.json.decode(output, type=Result)


def _serve(models: Path, version: str) -> bool:
    versions = [json.loads(path.read_text())["champion"] for path in (models / "workers").glob("*.json")]
    return len(versions) > 0 and set(versions) == {version}


def _end(service: Running, models: Path, number: signal.Signals) -> None:
    pids = _workers(models)
    victim = min(pids)
    next(process for process in service.watch.workers() if process.pid == victim).send_signal(number)
    begun = time.monotonic()

    def is_replaced() -> bool:
        return len(now := _workers(models)) >= len(pids) and victim not in now

    wait_until(is_replaced, seconds=30, every=0.05, failure=f"Worker {victim} was not replaced within 30 s.")
    log.info("worker %d got %s; another was there after %.1f s", victim, number.name, time.monotonic() - begun)


def _workers(models: Path) -> set[int]:
    return {int(path.stem) for path in (models / "workers").glob("*.json") if Path(f"/proc/{path.stem}").exists()}

"""Faults of processes: killed, doubled, overloaded, swapped under load."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from faults.api import kill
from faults.clients import asking
from faults.models import compile_other
from faults.observation import Fault, Observation
from faults.site import Site
from loadtest import payloads
from loadtest.result import Result
from readmission.errors import UserError
from readmission.polling import wait_until

#: Seconds that answers wait in memory in mode `group`, and how exactly a kill can be timed.
_INTERVAL, _EXACT = 0.05, 0.1

_ACKNOWLEDGED = """
SELECT count(DISTINCT prediction_id) FROM serving.predictions WHERE prediction_id = ANY(%(ids)s::uuid[])"""


def worker_killed(site: Site) -> Observation:
    """Kill one of two workers (SIGKILL)."""
    with asking(site.api.port, 100) as clients:
        victim = min(site.api.workers())
        kill(victim)
        wait_until(
            lambda: victim not in site.api.workers() and site.api.ready(),
            seconds=60,
            failure="the killed worker was not replaced within 60 s",
        )
    return site.judge(clients)


def worker_ended(site: Site) -> Observation:
    """Ask one of two workers to end, as a rolling restart does."""
    with asking(site.api.port, 100) as clients:
        victim = min(site.api.workers())
        os.kill(victim, signal.SIGTERM)
        wait_until(
            lambda: victim not in site.api.workers() and site.api.ready(),
            seconds=60,
            failure="the worker that ended was not replaced within 60 s",
        )
    judged = site.judge(clients)
    failed = len(clients.journal.requests) - len(clients.journal.acknowledged())
    problems = (f"{failed} requests failed",) if failed else ()
    return judged.adding(problems)


def power_cut(site: Site) -> Observation:
    """Kill every process of the API at once, and start it again; every answer was on disk (mode `sync`)."""
    with asking(site.api.port, 100) as clients:
        site.api.kill()
        site.api.start()
    return site.judge(clients)


def power_cut_in_groups(site: Site) -> Observation:
    """The same in mode `group`: at most the answers of the log's last interval may be lost."""
    environment = {"READMISSION_PREDICTION_LOG": "group", "READMISSION_LOG_INTERVAL": str(_INTERVAL)}
    with site.another_api("api-group", **environment) as api, asking(api.port, 200) as clients:
        before = time.monotonic()
        api.kill()
        killed = time.monotonic()
        api.start()
        time.sleep(1)
        clients.stop()
        return site.judge(clients, interval=(before - _INTERVAL - _EXACT, killed))


def sidecar_killed(site: Site) -> Observation:
    """Kill the sidecar ten times, each as soon as the next one is there."""
    with asking(site.api.port, 100) as clients:
        for _ in range(10):
            victim = site.api.sidecar()
            kill(victim)
            wait_until(
                lambda victim=victim: site.api.sidecar() not in (0, victim),  # type: ignore[misc]
                seconds=30,
                every=0.05,
                failure="the sidecar was not started again within 30 s",
            )
    return site.judge(clients)


def sidecar_killed_before_truncation(site: Site) -> Observation:
    """Kill the sidecar when the database has committed predictions and their file is still in the spool."""
    with asking(site.api.port, 100) as clients:
        site.wait_for_stored(clients, 20)
        victim = site.api.sidecar()
        site.postgres.withhold_answers_to(b"COMMIT")
        wait_until(lambda: site.postgres.withholding, seconds=20, every=0.01, failure="nothing was committed")
        time.sleep(0.5)
        stored = sum(site.stored(clients.prefix).values())
        waiting = [path for path in (site.api.home / "spool").glob("*.log") if path.stat().st_size]
        kill(victim)
        site.postgres.accept()
    judged = site.judge(clients)
    problems = () if stored and waiting else ("the sidecar was not killed between insert and truncation",)
    return judged.adding(problems)


def twenty_swaps(site: Site) -> Observation:
    """Move the alias twenty times between two models, each time until every worker serves the new one."""
    other = site.publish(compile_other(site.folder))
    site.set_alias(other)
    site.api.wait_for_version(other)
    site.learn(site.api)
    slowest = 0.0
    with asking(site.api.port, 200) as clients:
        for number in range(20):
            version = other if number % 2 else site.champion
            began = time.monotonic()
            site.set_alias(version)
            site.api.wait_for_version(version, seconds=120)
            slowest = max(slowest, time.monotonic() - began)
    judged = site.judge(clients)
    failed = len(clients.journal.requests) - len(clients.journal.acknowledged())
    problems = (f"{failed} requests failed",) if failed else ()
    return judged.adding(problems, saw=f"{judged.saw}; slowest swap {slowest:.1f} s")


def overload(site: Site) -> Observation:
    """Measure what the API can do, then ask for three times that rate for ten seconds."""
    bodies = site.folder / "bodies"
    bodies.write_bytes(b"\n".join(payloads.single(record) for record in payloads.encounters(500, 7)))
    capacity = _generate(site, bodies, "--connections", "64", "--seconds", "4")
    acknowledged = site.folder / "acknowledged"
    offered = 3 * capacity.per_second
    options = ("--connections", "256", "--seconds", "10", "--acknowledged", str(acknowledged))
    result = _generate(site, bodies, "--rate", str(offered), *options)
    names = acknowledged.read_text().split()
    missing = site.settle(lambda: len(names) - int(site.read(_ACKNOWLEDGED, ids=names)[0][0]))
    refused = {status: count for status, count in result.statuses.items() if status != "200"}
    problems = [f"{missing} of {len(names)} acknowledged predictions are lost"] if missing else []
    problems += [f"{result.broken} connections broke"] if result.broken else []
    problems += [f"answered with {status}" for status in set(refused) - {"503"}]
    return Observation(
        lost=f"{missing:,} of {len(names):,} predictions",
        failing=0.0,
        saw=f"{offered:,.0f} asked a second, {result.per_second:,.0f} answered, p99 {result.p99_ms:.0f} ms; "
        f"refused: {refused or 'none'}",
        problems=tuple(problems),
    )


def _generate(site: Site, bodies: Path, *options: str) -> Result:
    command = [sys.executable, "-m", "loadtest.generator", f"{site.api.url}/predict", str(bodies), *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=120, check=True)
    return msgspec.json.decode(done.stdout, type=Result)


def two_apis(site: Site) -> Observation:
    """Start the API and its sidecar a second time on the same port and folder."""
    with asking(site.api.port, 100) as clients:
        second = site.api.launch()
        sidecar = subprocess.Popen([sys.executable, "-m", "serving.sidecar", "0"], env=site.api.environment)
        time.sleep(8)
        ended = [process.poll() for process in (second, sidecar)]
        for process in (second, sidecar):
            if process.poll() is None:
                process.terminate()
                process.wait(30)
    judged = site.judge(clients)
    problems = () if None not in ended else ("a second API or sidecar did not end by itself",)
    if not site.api.running():
        raise UserError("the first API ended")
    return judged.adding(problems)


FAULTS = (
    Fault(name="worker killed (SIGKILL)", inject=worker_killed, quick=True),
    Fault(name="worker asked to end (SIGTERM)", inject=worker_ended),
    Fault(name="power cut of the API, mode `sync`", inject=power_cut, quick=True),
    Fault(name="power cut of the API, mode `group`", inject=power_cut_in_groups),
    Fault(name="sidecar killed ten times", inject=sidecar_killed),
    Fault(name="sidecar killed between insert and truncation", inject=sidecar_killed_before_truncation, quick=True),
    Fault(name="20 swaps of the model", inject=twenty_swaps),
    Fault(name="three times the capacity", inject=overload),
    Fault(name="API and sidecar started twice", inject=two_apis),
)

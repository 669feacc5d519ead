"""Measure what the running embedded system takes while nobody uses it: ``make bench WHAT=idle``.

Every process below the supervisor counts. Leave the system alone meanwhile; right after a training, Postgres still
writes what it has in memory.
"""

import time
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil

from bench.measurement import machine_load, memory
from readmission.embedded.supervisor import Supervisor
from readmission.errors import UserError
from readmission.settings import load_settings

#: What the whole system may take: seconds of CPU in a second, and memory in bytes.
MOST_CPU, MOST_MEMORY = 0.02, 900e6


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What one part took.

    Attributes:
        part: Its name; `supervisor` for what keeps them.
        cpu: Seconds of CPU in a second.
        memory: Memory at the end, with its children, as the proportional set size in bytes.
    """

    part: str
    cpu: float
    memory: int


def main(arguments: list[str]) -> int:
    """Print what each part took and the sum; return 1 if the system takes more than it may."""
    parser = ArgumentParser(prog="python -m bench idle", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="how long to watch [%(default)s]")
    seconds = parser.parse_args(arguments).seconds
    usages = watch(families(Supervisor(load_settings())), seconds)
    cpu, size = sum(usage.cpu for usage in usages), sum(usage.memory for usage in usages)
    for usage in (*usages, Usage(part="together", cpu=cpu, memory=size)):
        print(f"{usage.part:<12} {usage.cpu:7.2%} of a core  {usage.memory / 1e6:6.0f} MB")
    print(machine_load())
    kept = cpu <= MOST_CPU and size <= MOST_MEMORY
    print(f"{'PASS' if kept else 'FAIL'}: at most {MOST_CPU:.0%} of a core and {MOST_MEMORY / 1e6:.0f} MB")
    return 0 if kept else 1


def families(supervisor: Supervisor) -> dict[str, list[psutil.Process]]:
    """Return the processes of every running part, and that of the supervisor.

    Raises:
        UserError: No system runs.
    """
    running = {name: psutil.Process(pid) for name, (_, pid) in supervisor.states().items() if pid}
    if not running:
        raise UserError("No system is running here. `make up DETACH=1` starts it.")
    parent = psutil.Process(next(iter(running.values())).ppid())
    return {"supervisor": [parent]} | {
        name: [process, *process.children(recursive=True)] for name, process in running.items()
    }


def watch(processes: Mapping[str, Sequence[psutil.Process]], seconds: float) -> list[Usage]:
    """Return what each part takes in some seconds; a process that ends meanwhile counts nothing."""
    before = {process: _cpu_seconds(process) for family in processes.values() for process in family}
    time.sleep(seconds)
    return [
        Usage(
            part=name,
            cpu=sum(max(0.0, _cpu_seconds(process) - before[process]) for process in family) / seconds,
            memory=sum(map(memory, family)),
        )
        for name, family in processes.items()
    ]


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
        return float(times.user + times.system)
    except psutil.Error:
        return 0.0

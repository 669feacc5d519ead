"""Seconds, CPU time and peak memory of one piece of work: the clock of every benchmark of the pipeline."""

import os
import resource
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil


@dataclass(kw_only=True)
class Measurement:
    """Cost of one piece of work; complete when its `measure` block ends.

    Memory is the proportional set size (PSS), so that pages shared by processes count once.

    Attributes:
        seconds: Wall-clock time.
        cpu_seconds: CPU time of the child processes that ended within the block.
        work_bytes: Peak memory of the child processes that are not servers.
        server_bytes: Peak memory of the servers.
        total_bytes: Peak memory of both together, which may be less than the sum of the two peaks.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    work_bytes: int = 0
    server_bytes: int = 0
    total_bytes: int = 0

    def sample_memory(self, servers: Collection[int]) -> None:
        """Look at all child processes once and keep the peaks."""
        work = server = 0
        for child in psutil.Process().children():
            size = sum(memory(process) for process in _family(child))
            if child.pid in servers:
                server += size
            else:
                work += size
        self.work_bytes = max(self.work_bytes, work)
        self.server_bytes = max(self.server_bytes, server)
        self.total_bytes = max(self.total_bytes, work + server)

    def __str__(self) -> str:
        """Describe it in one line."""
        sizes = {"steps": self.work_bytes, "servers": self.server_bytes, "together": self.total_bytes}
        memory = ", ".join(f"{name} {size / 1e9:.2f} GB" for name, size in sizes.items())
        return f"{self.seconds:7.1f} s, {self.cpu_seconds:6.1f} s of CPU; peak memory (PSS): {memory}"


@contextmanager
def measure(servers: Collection[int] = (), every: float = 0.2) -> Iterator[Measurement]:
    """Measure the block: its time, and the memory of all child processes while it runs.

    Args:
        servers: Process ids of the children that serve the work and are counted apart from it.
        every: Seconds between samples of the memory.
    """
    result, stopped = Measurement(), threading.Event()

    def sample() -> None:
        while not stopped.wait(every):
            result.sample_memory(servers)

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    began, cpu_before = time.perf_counter(), _children_cpu_seconds()
    try:
        yield result
    finally:
        result.seconds = time.perf_counter() - began
        result.cpu_seconds = _children_cpu_seconds() - cpu_before
        stopped.set()
        sampler.join()


def combine(measurements: Collection[Measurement]) -> Measurement:
    """Sum the times of consecutive pieces of work and keep the highest peaks."""
    return Measurement(
        seconds=sum(part.seconds for part in measurements),
        cpu_seconds=sum(part.cpu_seconds for part in measurements),
        work_bytes=max(part.work_bytes for part in measurements),
        server_bytes=max(part.server_bytes for part in measurements),
        total_bytes=max(part.total_bytes for part in measurements),
    )


def machine_load() -> str:
    """Describe how busy the machine is."""
    return f"machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} (above the cores: seconds mean little)"


def _children_cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _family(child: psutil.Process) -> list[psutil.Process]:
    try:
        return [child, *child.children(recursive=True)]
    except psutil.Error:
        return []


def memory(process: psutil.Process) -> int:
    """Return the memory of a process as its proportional set size in bytes; 0 if it has ended."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0

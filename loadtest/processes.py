"""CPU and memory of the API's processes, if they run on this machine."""

from contextlib import suppress
from urllib.parse import urlsplit

import psutil


class Watch:
    """Meter of a process and its children.

    Args:
        pid: The parent, such as the API's server. If None, it is not on this machine and nothing is measured.
    """

    def __init__(self, pid: int | None) -> None:
        self._parent = psutil.Process(pid) if pid else None
        self._seen: dict[int, psutil.Process] = {}

    def measure(self) -> tuple[float, float] | None:
        """Return the cores used since the last call and the memory in MB, or None without a process."""
        if self._parent is None:
            return None
        cpu = memory = 0.0
        with suppress(psutil.NoSuchProcess):
            for process in (self._parent, *self._parent.children(recursive=True)):
                seen = self._seen.setdefault(process.pid, process)
                with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    cpu += seen.cpu_percent() / 100
                    memory += seen.memory_full_info().pss / 1e6
        return cpu, memory

    def spent(self) -> float:
        """Return the CPU seconds used by the processes that are alive; 0 without a process."""
        seconds = 0.0
        with suppress(psutil.NoSuchProcess):
            for process in (self._parent, *self._parent.children(recursive=True)) if self._parent else ():
                with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    times = process.cpu_times()
                    seconds += times.user + times.system
        return seconds

    def workers(self) -> list[psutil.Process]:
        """Return the children, youngest last."""
        children = self._parent.children(recursive=True) if self._parent else []
        return sorted(children, key=lambda process: process.create_time())


def listener(url: str) -> int | None:
    """Return the topmost process of this machine that serves an address, or None if there is no visible one."""
    parts = urlsplit(url)
    if parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        return None
    port = parts.port or 80
    with suppress(psutil.AccessDenied):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return _top(psutil.Process(connection.pid))
    return None


def _top(process: psutil.Process) -> int:
    """Return the server's own parent: the last ancestor that runs the same program."""
    command = process.cmdline()[:1]
    while (parent := process.parent()) is not None and parent.cmdline()[:1] == command and parent.pid > 1:
        if "supervisord" in " ".join(parent.cmdline()) or "make" in parent.name():
            break
        process = parent
    return int(process.pid)

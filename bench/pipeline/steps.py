"""Measure ingest -> process -> train (six families) -> promote in a fresh folder: seconds and peak memory by step.

    make bench-pipeline                  the data as it is
    make bench-pipeline ARGS="--replicate 10"   ten times the rows: ids and patients are new in each copy

Postgres and MLflow run as in the embedded system and are up before the clock starts.
"""

import argparse
import csv
import io
import itertools
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import psutil

from readmission.data.sources import open_source
from readmission.embedded import component, pgserver, secrets
from readmission.features.encoding import split_of
from readmission.settings import Settings
from readmission.steps import migrate

STEPS = (("ingest", "--all"), ("process",), ("train",), ("promote",))


class Memory(threading.Thread):
    """Watch the largest sum of resident memory (shared pages counted once a process group, as PSS), by step."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.step = ""
        self.peaks: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.stopped = threading.Event()

    def told(self, step: str = "") -> str:
        """Return the largest sums of one step, or of all."""
        found = [self.peaks[step]] if step else list(self.peaks.values())
        sizes = {name: max(peak[name] for peak in found) / 1e9 for name in ("steps", "servers", "together")}
        return "peak memory (PSS): " + ", ".join(f"{name} {size:.2f} GB" for name, size in sizes.items())

    def run(self) -> None:
        """Look five times a second."""
        while not self.stopped.wait(0.2):
            steps = servers = 0
            for process in psutil.Process().children(recursive=True):
                try:
                    size, line = process.memory_full_info().pss, " ".join(process.cmdline())
                except psutil.Error:
                    continue
                if "readmission.cli" in line:
                    steps += size
                else:
                    servers += size
            # Counter's union keeps the larger of each.
            self.peaks[self.step] |= Counter(steps=steps, servers=servers, together=steps + servers)


def free_port() -> int:
    """Return a free TCP port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def replicate(source: str, times: int, folder: Path) -> Path:
    """Write the rows several times, with encounters and patients of their own in each copy.

    A patient's copies are in the patient's split: in another one they would be a leak, and the gates would see it.
    """
    path = folder / "replicated.csv"
    rows = list(csv.reader(io.StringIO(read(source))))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(rows[0])
        for copy in range(times):
            patients = {row[1]: another(int(row[1]), copy) for row in rows[1:]}
            for row in rows[1:]:
                writer.writerow([int(row[0]) + copy * 10**9, patients[row[1]], *row[2:]])
    return path


def another(patient: int, copy: int) -> int:
    """Return the number of a patient's copy: of the same split, and no other patient's."""
    numbers = (patient + copy * 10**9 + attempt * 10**11 for attempt in itertools.count())
    return next(number for number in numbers if split_of(number) == split_of(patient))


def read(source: str) -> str:
    """Return the text of a csv, or of the csv in the UCI zip."""
    path = Path(source)
    if path.suffix != ".zip":
        return path.read_text()
    import zipfile

    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("diabetic_data.csv"))
        return archive.read(name).decode()


def main() -> int:
    """Run the measurement and print it; 1 when a step fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="", help="csv or UCI zip [READMISSION_SOURCE, or the UCI download]")
    parser.add_argument("--replicate", type=int, default=1, help="copies of every row")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-pipeline-") as directory:
        home = Path(directory)
        home.chmod(0o755)  # Postgres runs as an unprivileged user
        ports = {"postgres_port": free_port(), "mlflow_port": free_port()}
        settings = Settings(_env_file=[secrets.ensure(home)], home=home, **ports)
        source = chosen.source or settings.source or str(open_source(settings, "").path)
        if chosen.replicate > 1:
            source = str(replicate(source, chosen.replicate, home))
        environment = os.environ | {
            "READMISSION_HOME": str(home), "READMISSION_SOURCE": source,
            "READMISSION_POSTGRES_PORT": str(ports["postgres_port"]),
            "READMISSION_MLFLOW_PORT": str(ports["mlflow_port"]),
        }  # fmt: skip
        return measure(settings, environment, copied=chosen.replicate > 1)


def measure(settings: Settings, environment: dict[str, str], *, copied: bool) -> int:
    """Start the servers, run every step under the clock, stop the servers.

    With copies of every row a group of fifty people looks like one of five hundred to the gates on fairness. Their
    refusal of every candidate is the longest way through `promote`, and no failure of the measurement.
    """
    pgserver.initialise(settings)
    log = (settings.home / "servers.log").open("wb")
    servers = [
        subprocess.Popen(pgserver.command(settings), cwd="/", stdout=log, stderr=log),
        subprocess.Popen(
            [sys.executable, "-m", "readmission.embedded.mlflow"], env=environment, stdout=log, stderr=log
        ),
    ]
    memory = Memory()
    try:
        wait(pgserver.accepts(settings))
        migrate.run(settings)
        wait(component.answers(f"{settings.tracking_uri}/health"))
        memory.start()
        total, before = 0.0, cpu_seconds()
        start = before
        for step in STEPS:
            memory.step, began = step[0], time.perf_counter()
            code = subprocess.run([sys.executable, "-m", "readmission.cli", *step], env=environment).returncode
            if code and not (copied and step == ("promote",)):
                print(f"{step[0]} failed; see above")
                return 1
            seconds, used = time.perf_counter() - began, cpu_seconds()
            total += seconds
            print(f"{step[0]:<10} {seconds:7.1f} s, {used - before:6.1f} s of CPU; {memory.told(step[0])}", flush=True)
            before = used
        memory.stopped.set()
        print(f"{'together':<10} {total:7.1f} s, {before - start:6.1f} s of CPU; {memory.told()}")
        print(f"machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} (above the cores: seconds mean little)")
        return 0
    finally:
        memory.stopped.set()
        for server in servers[::-1]:
            server.send_signal(2)
        for server in servers:
            server.wait(60)


def cpu_seconds() -> float:
    """Return the CPU time of the steps that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def wait(ready: Callable[[], bool]) -> None:
    """Poll for ten minutes: the clock has not started, and a busy machine is slow."""
    deadline = time.monotonic() + 600
    while not ready():
        if time.monotonic() > deadline:
            raise SystemExit("a server did not start in ten minutes")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())

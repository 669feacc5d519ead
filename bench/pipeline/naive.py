"""Measure ingest and process beside the same work written naively: ``make bench WHAT=naive``.

Both read one file into one fresh Postgres of their own, as a user runs them; `baseline.py` is what course projects
write. `make bench WHAT=pipeline` measures training as well.
"""

import logging
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path

import msgspec

from bench.measurement import Measurement, measure
from bench.pipeline import servers
from loadtest import report
from readmission.data.sources import SYNTHETIC_MARK, open_source
from readmission.errors import UserError
from readmission.settings import Settings, load_settings

log = logging.getLogger(__name__)


class Stage(msgspec.Struct, frozen=True):
    """One program's run: seconds, and the peak memory (PSS, MB) of it and its children."""

    name: str
    seconds: float
    memory_mb: float


def main(arguments: list[str]) -> int:
    """Measure both ways and print the table."""
    parser = ArgumentParser(prog="python -m bench naive", description=__doc__)
    parser.add_argument("--source", default="", help="csv or UCI zip [READMISSION_SOURCE, or the UCI download]")
    parser.add_argument("--port", type=int, default=18270, help="port of the Postgres to start [18270]")
    options = parser.parse_args(arguments)
    settings = load_settings()
    home = settings.home / "bench-naive"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    source = home / "source.csv"
    content = open_source(settings, options.source).content
    # The comment at the top of a synthetic sample is nothing that the naive way knows.
    source.write_bytes(content.partition(b"\n")[2] if content.startswith(SYNTHETIC_MARK) else content)
    rows = source.read_bytes().count(b"\n") - 1
    private = servers.private_settings(
        home, postgres_port=options.port, batch_size=settings.batch_size, seed=settings.seed
    )
    baseline = [sys.executable, "-m", "bench", "baseline", str(source), str(private.batch_size)]
    verbs = [sys.executable, "-m", "readmission.cli"]
    with servers.running(private) as pids:
        stages = [
            run(private, pids, "ingest", [*verbs, "ingest", "--all", "--source", str(source)]),
            run(private, pids, "process", [*verbs, "process"]),
            run(private, pids, "naive", baseline),
        ]
    sys.stdout.write(write(settings.home / "reports" / "bench", rows, stages))
    shutil.rmtree(home, ignore_errors=True)
    return 0


def run(settings: Settings, pids: list[int], name: str, command: list[str]) -> Stage:
    """Run one program to its end under the clock.

    Raises:
        UserError: The program failed; the message holds its last lines.
    """
    path = settings.home / f"{name}.log"
    with path.open("wb") as log_file, measure(pids, every=0.1) as measurement:
        done = subprocess.run(command, env=servers.environment(settings), stdout=log_file, stderr=log_file, check=False)
    if done.returncode:
        raise UserError(f"{name} failed:\n" + "\n".join(path.read_text().splitlines()[-8:]))
    return _stage(name, measurement)


def _stage(name: str, measurement: Measurement) -> Stage:
    stage = Stage(name, measurement.seconds, measurement.work_bytes / 1e6)
    log.info("%s: %.1f s, %.0f MB", name, stage.seconds, stage.memory_mb)
    return stage


def write(folder: Path, rows: int, stages: list[Stage]) -> str:
    """Write naive.json; return the table."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"machine": report.machine(), "rows": rows, "stages": stages}
    (folder / "naive.json").write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
    *ours, naive = stages
    seconds, memory = sum(stage.seconds for stage in ours), max(stage.memory_mb for stage in ours)
    lines = [f"| {rows:,} rows into Postgres, raw and clean | s | peak MB |", "|---|--:|--:|"]
    lines.append(f"| **ingest + process** | **{seconds:.1f}** | **{memory:,.0f}** |")
    lines.append(f"| the same by pandas, `to_sql` and a loop | {naive.seconds:.1f} | {naive.memory_mb:,.0f} |")
    return "\n".join([*lines, "", f"{naive.seconds / seconds:.1f} times as fast.", ""])

"""Measure ingest and process beside the same work written naively: ``python -m bench.pipeline.naive``.

Both read one file into one fresh Postgres of their own, as a user runs them; `naive.py` is what course projects
write. What training adds, `make bench-pipeline` measures.
"""

import logging
import os
import shutil
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from loadtest import report
from loadtest.processes import Watch
from readmission.data.sources import open_source
from readmission.embedded import components, pgserver, secrets
from readmission.errors import UserError
from readmission.settings import Settings, load
from readmission.steps import migrate

log = logging.getLogger(__name__)


class Stage(msgspec.Struct, frozen=True):
    """Hold one program's run: seconds, and the most memory (PSS, MB) of it and its children."""

    name: str
    seconds: float
    memory_mb: float


def main() -> int:
    """Measure and print the table."""
    parser = ArgumentParser(prog="python -m bench.pipeline.naive", description=__doc__)
    parser.add_argument("--source", default="", help="csv or UCI zip; default: as the settings say")
    parser.add_argument("--port", type=int, default=18270, help="port of the Postgres to start [18270]")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    settings = load()
    home = settings.home / "bench-naive"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    source = home / "source.csv"
    source.write_bytes(open_source(settings, options.source).content)
    rows = source.read_bytes().count(b"\n") - 1
    with started(home, options.port, settings) as ready:
        verbs = [sys.executable, "-m", "readmission.cli"]
        stages = [
            run(ready, "ingest", [*verbs, "ingest", "--all", "--source", str(source)]),
            run(ready, "process", [*verbs, "process"]),
            run(ready, "naive", [sys.executable, "-m", "bench.pipeline.baseline", str(source), str(ready.batch_size)]),
        ]
    sys.stdout.write(write(settings.home / "reports" / "bench", rows, stages))
    shutil.rmtree(home, ignore_errors=True)
    return 0


@contextmanager
def started(home: Path, port: int, like: Settings) -> Iterator[Settings]:
    """Run a migrated Postgres in a state folder; give settings with its secrets."""
    ready = Settings(
        _env_file=[secrets.ensure(home)],  # type: ignore[call-arg]
        home=home, postgres_port=port, batch_size=like.batch_size, seed=like.seed,
    )  # fmt: skip
    pgserver.initialise(ready)
    part = next(part for part in components.parts(ready) if part.name == "postgres")
    process = subprocess.Popen(part.command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not part.healthy():
            if process.poll() is not None or time.monotonic() > deadline:
                raise UserError("Postgres did not start.")
            time.sleep(0.1)
        migrate.run(ready)
        yield ready
    finally:
        process.send_signal(2)
        process.wait(60)


def run(settings: Settings, name: str, words: list[str]) -> Stage:
    """Run one program to its end and watch its memory.

    Raises:
        UserError: it failed; with its last lines.
    """
    own = {"HOME": settings.home, "POSTGRES_PORT": settings.postgres_port}
    variables = os.environ | {f"READMISSION_{key}": str(value) for key, value in own.items()}
    said = (settings.home / f"{name}.log").open("w+b")
    begun, peak = time.monotonic(), 0.0
    process = subprocess.Popen(words, env=variables, stdout=said, stderr=said)
    watch = Watch(process.pid)
    while process.poll() is None:
        peak = max(peak, (watch.measure() or (0.0, 0.0))[1])
        time.sleep(0.1)
    if process.returncode:
        said.seek(0)
        raise UserError(f"{name} failed:\n" + "\n".join(said.read().decode().splitlines()[-8:]))
    stage = Stage(name, time.monotonic() - begun, peak)
    log.info("%s: %.1f s, %.0f MB", name, stage.seconds, stage.memory_mb)
    return stage


def write(folder: Path, rows: int, stages: list[Stage]) -> str:
    """Write naive.json; return the table."""
    folder.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {"machine": report.machine(), "rows": rows, "stages": stages}
    (folder / "naive.json").write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
    *ours, naive = stages
    seconds, memory = sum(stage.seconds for stage in ours), max(stage.memory_mb for stage in ours)
    lines = [f"| {rows:,} rows into Postgres, raw and clean | s | peak MB |", "|---|--:|--:|"]
    lines.append(f"| **ingest + process** | **{seconds:.1f}** | **{memory:,.0f}** |")
    lines.append(f"| the same by pandas, `to_sql` and a loop | {naive.seconds:.1f} | {naive.memory_mb:,.0f} |")
    return "\n".join([*lines, "", f"{naive.seconds / seconds:.1f} times as fast.", ""])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(str(error))

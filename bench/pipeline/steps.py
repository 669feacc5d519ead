"""Measure ingest -> process -> train (six families) -> promote in a fresh folder: seconds and peak memory by step.

    make bench WHAT=pipeline                          the data as it is
    make bench WHAT=pipeline ARGS="--replicate 10"    ten times the rows: ids and patients are new in each copy

Postgres and MLflow run as in the embedded system and are up before the clock starts.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.measurement import combine, machine_load, measure
from bench.pipeline import replicas, servers
from readmission.data.sources import open_source
from readmission.settings import Settings, load_settings

STEPS = (("ingest", "--all"), ("process",), ("train",), ("promote",))


def main(arguments: list[str]) -> int:
    """Measure every step and print its cost; return 1 when a step fails."""
    parser = argparse.ArgumentParser(
        prog="python -m bench pipeline", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", default="", help="csv or UCI zip [READMISSION_SOURCE, or the UCI download]")
    parser.add_argument("--replicate", type=int, default=1, help="copies of every row [1]")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-pipeline-") as directory:
        settings = servers.private_settings(Path(directory))
        source = local_source(options.source, options.replicate, settings.home / "source.csv")
        return run_steps(settings, source, replicated=options.replicate > 1)


def local_source(source: str, copies: int, path: Path) -> str:
    """Return the data set as a path that the first step reads without a download.

    Args:
        source: Csv or UCI zip. If empty, it is what the settings name, or the UCI download.
        copies: Copies of every row.
        path: Where to write the rows, if they are not a file yet or have to be copied.
    """
    settings = load_settings()
    named = source or settings.source
    if copies == 1 and Path(named).is_file():
        return named
    content = open_source(settings, source).content
    if copies == 1:
        path.write_bytes(content)
    else:
        replicas.write_replicated(content, copies, path)
    return str(path)


def run_steps(settings: Settings, source: str, *, replicated: bool) -> int:
    """Start the servers, run every step under the clock, stop the servers.

    With copies of every row, a group of fifty people looks like one of five hundred to the fairness gates. If they
    refuse every candidate, `promote` takes its longest way, and the measurement has not failed.
    """
    environment = servers.environment(settings) | {"READMISSION_SOURCE": source}
    measurements = []
    with servers.running(settings, mlflow=True) as pids:
        for step in STEPS:
            with measure(pids) as measurement:
                done = subprocess.run([sys.executable, "-m", "readmission.cli", *step], env=environment, check=False)
            if done.returncode and not (replicated and step == ("promote",)):
                print(f"{step[0]} failed; see above")
                return 1
            measurements.append(measurement)
            print(f"{step[0]:<10} {measurement}", flush=True)
    print(f"{'together':<10} {combine(measurements)}")
    print(machine_load())
    return 0

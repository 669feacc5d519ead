"""Measure a fresh clone up to its first served prediction, this commit beside an earlier one.

    make bench WHAT=first                                        against commit 7664664, two rounds
    make bench WHAT=first ARGS="--baseline HEAD~20 --rounds 3"

In each round every commit in turn is cloned into an empty folder, where `make up DETACH=1` runs twice on the real data.
The second start continues from the state of the first. Packages come from the caches of pip and uv, which an unmeasured
installation of both commits fills first. Only committed files take part.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import httpx

from bench.commits import fresh_clone
from bench.measurement import machine_load
from bench.pipeline.servers import free_port
from bench.pipeline.steps import local_source
from readmission.errors import UserError

#: Reported by name; what is asked first must be a request that both commits take.
CLOCKS = ("first prediction", "ready", "second start")
REQUEST = {
    "age": "[70-80)",
    "gender": "Female",
    "time_in_hospital": 6,
    "num_lab_procedures": 44,
    "num_procedures": 1,
    "num_medications": 18,
    "number_inpatient": 2,
    "number_diagnoses": 9,
}
PORTS = ("API", "UI", "MLFLOW", "POSTGRES")


def main(arguments: list[str]) -> int:
    """Measure both commits in turn, print every figure and the ratios of the medians."""
    parser = argparse.ArgumentParser(
        prog="python -m bench first", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--baseline", default="7664664", help="the commit to compare with [%(default)s]")
    parser.add_argument("--rounds", type=int, default=2, help="times that each commit is measured [%(default)s]")
    parser.add_argument("--source", default="", help="csv or UCI zip [READMISSION_SOURCE, or the UCI download]")
    options = parser.parse_args(arguments)
    commits = {"baseline": options.baseline, "this commit": "HEAD"}
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in commits}
    with tempfile.TemporaryDirectory(prefix="bench-first-") as directory:
        Path(directory).chmod(0o755)  # Postgres runs as an unprivileged user.
        source = local_source(options.source, 1, Path(directory) / "source.csv")
        for number in range(options.rounds + 1):
            for name, commit in commits.items():
                with fresh_clone(Path(directory) / f"{number}-{name[:4]}", commit) as clone:
                    if number == 0:
                        make(clone, "install", os.environ)
                        continue
                    rounds[name].append(measure(clone, source))
                    figures = ", ".join(f"{clock} {seconds:.1f} s" for clock, seconds in rounds[name][-1].items())
                    print(f"round {number}, {name} ({commit}): {figures}", flush=True)
    print("\n".join(summary(rounds)))
    print(machine_load())
    return 0


def summary(rounds: dict[str, list[dict[str, float]]]) -> list[str]:
    """Compare the medians of both commits, one line a clock."""
    lines = []
    for clock in CLOCKS:
        before, now = (statistics.median(figures[clock] for figures in rounds[name]) for name in rounds)
        lines.append(f"{clock:<17} {before:6.1f} s -> {now:6.1f} s, {now / before:.2f} of the baseline")
    return lines


def measure(clone: Path, source: str) -> dict[str, float]:
    """Run `make up DETACH=1` twice in a clone; return the seconds of each clock."""
    ports = {f"READMISSION_{name}_PORT": str(free_port()) for name in PORTS}
    home = clone / "state"
    environment = os.environ | ports | {"READMISSION_HOME": str(home), "READMISSION_SOURCE": source}
    url = f"http://127.0.0.1:{ports['READMISSION_API_PORT']}/predict"
    try:
        first, ready = start(clone, environment, url)
        make(clone, "down", environment)
        _, second = start(clone, environment, url)
    finally:
        make(clone, "down", environment)
    return {"first prediction": first, "ready": ready, "second start": second}


def start(clone: Path, environment: dict[str, str], url: str) -> tuple[float, float]:
    """Run `make up DETACH=1`; return the seconds to the first prediction and to its end."""
    began, stopped = time.perf_counter(), threading.Event()
    answered: list[float] = []

    def ask() -> None:
        while not answered and not stopped.wait(0.2):
            try:
                if httpx.post(url, json=REQUEST, timeout=10).status_code == 200:
                    answered.append(time.perf_counter() - began)
            except httpx.HTTPError:
                continue

    client = threading.Thread(target=ask, daemon=True)
    client.start()
    try:
        make(clone, "up", environment, "DETACH=1")
        ready = time.perf_counter() - began
        client.join(30)
    finally:
        stopped.set()
    if not answered:
        raise UserError(f"{clone}: `make up` ended, and no prediction was answered within 30 s.")
    return answered[0], ready


def make(clone: Path, target: str, environment: "os._Environ[str] | dict[str, str]", *variables: str) -> None:
    """Run a make target in a clone.

    Raises:
        UserError: It failed. The message ends with what it printed.
    """
    outside = {"VIRTUAL_ENV", "PYTHONPATH", "MAKEFLAGS", "MAKELEVEL"}
    done = subprocess.run(
        ["make", "-s", target, *variables],
        cwd=clone,
        env={name: value for name, value in environment.items() if name not in outside},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UserError(f"`make {target}` failed in {clone}:\n{(done.stdout + done.stderr)[-1500:]}")

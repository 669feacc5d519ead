"""The command of the simulated year: its options, its folder, its reports."""

import argparse
import logging
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd

from bench.measurement import machine_load
from bench.year import picture, timeline
from bench.year.hospital import Hospital
from bench.year.plan import Plan
from bench.year.scenario import SCENARIOS, START, Scenario
from bench.year.simulation import Year
from bench.year.system import System
from bench.year.timeline import Week
from readmission.data import synthetic
from readmission.data.sources import FileSource, open_source
from readmission.settings import PREFIX, load_settings

log = logging.getLogger("bench.year")


def main(arguments: list[str]) -> int:
    """Run the year, print its table, write its reports; return 1 if an invariant did not hold."""
    parser = argparse.ArgumentParser(prog="python -m bench.year", description=__doc__)
    parser.add_argument("--source", default="", help="csv or UCI zip [READMISSION_SOURCE, or the UCI download]")
    parser.add_argument("--sample", action="store_true", help="invented encounters instead of the real ones")
    parser.add_argument("--scenario", choices=SCENARIOS, default="year", help="what happens, and how long [year]")
    parser.add_argument("--daily", action="store_true", help="a delivery a day instead of one a week")
    parser.add_argument("--seed", type=int, default=7, help="of every draw [7]")
    parser.add_argument("--reports", type=Path, help="folder of the reports [the state folder's reports/year]")
    options = parser.parse_args(arguments)
    settings = load_settings()
    reports = options.reports or settings.home / "reports" / "year"
    scenario = SCENARIOS[options.scenario]
    scenario = replace(scenario, days=1) if options.daily else scenario
    rows = invent_rows(scenario) if options.sample else read_rows(options.source)
    # The simulated system has settings of its own.
    for name in [name for name in os.environ if name.lower().startswith(PREFIX)]:
        os.environ.pop(name)
    with tempfile.TemporaryDirectory(prefix="readmission-year-") as folder:
        Path(folder).chmod(0o755)
        return run(Plan(rows, scenario, options.seed, synthetic=options.sample), Path(folder), reports, options.seed)


def read_rows(source: str) -> pd.DataFrame:
    """Return the text of the real encounters."""
    return open_source(load_settings().replace(batch_size=10**9), source).batch(1).frame


def invent_rows(scenario: Scenario) -> pd.DataFrame:
    """Return the text of as many synthetic encounters as a scenario needs, always the same."""
    content = synthetic.generate(scenario.encounters or 60_000, seed=7)
    return FileSource("synthetic", content, 10**9).batch(1).frame


def run(plan: Plan, folder: Path, reports: Path, seed: int) -> int:
    """Live through a plan in a folder; print the table and write the reports; return the exit code."""
    began = time.monotonic()
    reports.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(filename=reports / "year.log", filemode="w", level=logging.INFO, format="%(message)s")
    # A line for each of 80,000 predictions would hide the others.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    span = f"{plan.scenario.weeks} weeks, {len(plan.periods)} periods"
    print(f"{len(plan.stays):,} encounters in {span}, seed {seed}", flush=True)
    system = System(folder / "state", seed)
    try:
        system.start(START)
        print(timeline.header(), flush=True)
        year = Year(system, plan, Hospital(system, folder / "deliveries"), lambda text: print(text, flush=True))
        weeks = year.run()
    finally:
        system.stop()
    longest = sorted(system.seconds.items(), key=lambda item: -item[1])
    parts = ", ".join(f"{what} {spent:.0f}" for what, spent in longest if spent >= 1)
    return conclude(plan, weeks, reports, f"{time.monotonic() - began:.0f} s: {parts}")


def conclude(plan: Plan, weeks: list[Week], reports: Path, duration: str) -> int:
    """Write the reports, print the summary with how long it took, return the exit code."""
    summary = {"weeks_planned": plan.scenario.weeks, "days": plan.scenario.days, "deliveries_sha256": plan.sha256}
    text = timeline.as_json(weeks, summary)
    (reports / "year.json").write_text(text)
    picture.save(weeks, plan.scenario.drift, reports / "year.png")
    violations = [f"week {week.number}: {text}" for week in weeks for text in week.violations]
    print(f"timeline {timeline.digest(text)[:16]}: the same seed gives the same; {reports / 'year.json'}")
    print(f"{duration}; {machine_load()}")
    print("\n".join(["NOT everything held:", *violations]) if violations else "Every invariant held in every week.")
    sys.stdout.flush()
    return 1 if violations else 0

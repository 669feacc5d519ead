"""Measure what grows and how fast: bytes per batch, per training and per 1,000 predictions.

    make bench WHAT=growth                     on the real data, in a system of its own
    make bench WHAT=growth SOURCE=other.csv

A whole embedded system runs the pipeline once, then answers predictions.
"""

import argparse
import logging
import tempfile
from pathlib import Path

import httpx

from bench.pipeline.steps import local_source
from readmission.backup import databases
from readmission.backup.drill_system import RECORDS, System
from readmission.polling import wait_until

_PREDICTIONS = 3_000
_SCHEMAS = """
SELECT n.nspname, sum(pg_total_relation_size(c.oid))::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema' GROUP BY 1"""
_STORED = "SELECT count(*) FROM serving.predictions"
#: Folders of the state folder, by what they hold.
_FOLDERS = {"snapshots": "objects", "MLflow's artifacts": "mlflow-artifacts", "logs": "logs"}


def sizes(system: System) -> dict[str, int]:
    """Return the bytes of everything that grows: tables with their indexes by schema, and folders."""
    result: dict[str, int] = {}
    settings = system.settings
    for name, full in databases.names(settings).items():
        with databases.take_snapshot(settings, full) as snapshot:
            snapshot.cursor.execute(_SCHEMAS)
            schemas = dict(snapshot.cursor.fetchall())
        if name == "readmission":
            result |= {f"tables of {schema}": int(size) for schema, size in schemas.items()}
        else:
            result[f"database {name}"] = int(sum(schemas.values()))
    for what, folder in _FOLDERS.items():
        paths = [path for path in (system.home / folder).rglob("*") if path.is_file()]
        result[what] = sum(path.stat().st_size for path in paths)
    return result


def predict(system: System, count: int) -> None:
    """Ask for predictions, and wait until the database has them.

    Raises:
        UserError: It has not got them within two minutes.
    """
    with httpx.Client(base_url=system.api, timeout=30) as http:
        for number in range(count):
            http.post("/predict", json=RECORDS[number % len(RECORDS)]).raise_for_status()
    failure = f"The database has not got all of {count} predictions within two minutes."
    wait_until(lambda: _stored(system) >= count, seconds=120, every=0.5, failure=failure)


def _stored(system: System) -> int:
    with databases.take_snapshot(system.settings, databases.names(system.settings)["readmission"]) as snapshot:
        snapshot.cursor.execute(_STORED)
        return int(snapshot.cursor.fetchone()[0])


def describe(title: str, before: dict[str, int], after: dict[str, int], share: float) -> list[str]:
    """Return the lines of what has grown, divided by how often it happened; what has not is left out."""
    grown = {name: (size - before.get(name, 0)) / share for name, size in after.items()}
    rows = sorted(((size, name) for name, size in grown.items() if size >= 512), reverse=True)
    return [title, *(f"  {name:<24} {size / 1e6:8.3f} MB" for size, name in rows)]


def main(arguments: list[str]) -> int:
    """Run the system, print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m bench growth", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", default="", help="csv or UCI zip [READMISSION_SOURCE, or the UCI download]")
    options = parser.parse_args(arguments)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request
    with tempfile.TemporaryDirectory(prefix="bench-growth-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL may run as another user, who must be able to walk through
        source = str(Path(local_source(options.source, 1, Path(folder) / "source.csv")).absolute())
        system = System(home=Path(folder) / "state", source=source)
        try:
            system.start()
            pipeline = sizes(system)
            batches = len(list((system.home / "objects").rglob("*.parquet")))
            predict(system, _PREDICTIONS)
            answered = sizes(system)
        finally:
            system.kill()
    title = f"the whole pipeline once: {batches} batches, a training of every family, a promotion"
    print(*describe(title, {}, pipeline, 1), sep="\n")
    print(*describe("1,000 predictions", pipeline, answered, _PREDICTIONS / 1000), sep="\n")
    return 0

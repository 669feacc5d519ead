"""Drill: run an embedded system, back it up under requests, destroy everything, restore it, and compare.

`python -m readmission.backup.drill [SOURCE]`; without a source the synthetic sample. Ends with 1 on any difference.
"""

import contextlib
import json
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import typer

from readmission import contract
from readmission.backup import collection, databases
from readmission.backup.drill_system import RECORDS, PredictionClient, System
from readmission.backup.locations import Folder
from readmission.backup.manifest import BackupManifest
from readmission.errors import UserError
from readmission.logs import configure_logging
from readmission.polling import wait_until

log = logging.getLogger("readmission.drill")


@dataclass(frozen=True, kw_only=True)
class State:
    """What of a system must come back: rows of tables at rest, the champion's version, answers as sent."""

    rows: dict[str, int]
    version: str
    answers: list[str]


def look(system: System) -> State:
    """Ask a running system for its state."""
    with httpx.Client(base_url=system.api, timeout=30) as api:
        version = str(api.get("/model-info").json()["model_version"])
        answers = [json.dumps(api.post("/predict", json=record).json()["probabilities"]) for record in RECORDS]
    return State(rows=count_rows(system), version=version, answers=answers)


def count_rows(system: System) -> dict[str, int]:
    """Count the rows of all tables that requests and the drill itself do not change."""
    counts: dict[str, int] = {}
    for name, full in databases.names(system.settings).items():
        with databases.take_snapshot(system.settings, full) as snapshot:
            counts |= {f"{name}: {table}": rows for table, rows in databases.count_rows(snapshot.cursor).items()}
    moving = ("readmission: serving.predictions", "readmission: monitoring.step_runs")
    return {table: rows for table, rows in counts.items() if not table.startswith(moving)}


def give_outcomes(system: System, ids: list[str]) -> None:
    """Report outcomes of predictions, as a hospital does later; wait until the database has them."""
    outcomes = [{"prediction_id": name, "outcome": contract.CLASSES[n % 3]} for n, name in enumerate(ids)]
    answer: dict[str, Any] = {}

    def are_recorded() -> bool:
        answer.update(httpx.post(f"{system.api}/feedback", json=outcomes, timeout=30).json())
        return bool(answer.get("recorded") == len(ids))

    wait_until(are_recorded, seconds=60, every=1, failure=lambda: f"Outcomes are not recorded: {answer}")


def logged_ids(system: System) -> set[str]:
    """Return the ids of every prediction in the database."""
    settings = system.settings
    with databases.take_snapshot(settings, databases.names(settings)["readmission"]) as snapshot:
        snapshot.cursor.execute("SELECT prediction_id::text FROM serving.predictions")
        return {row[0] for row in snapshot.cursor.fetchall()}


def timed(times: dict[str, float], name: str, work: Callable[[], Any]) -> None:
    """Do something and note how many seconds it took."""
    log.info("— %s", name)
    began = time.monotonic()
    work()
    times[name] = time.monotonic() - began


@dataclass(kw_only=True)
class Result:
    """What a drill has measured, and every difference it has found."""

    times: dict[str, float] = field(default_factory=dict)
    figures: dict[str, str] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    def expect_equal(self, what: str, before: object, after: object, shown: str) -> None:
        """Note whether something came back as it was."""
        self.figures[what] = shown if before == after else "DIFFERENT"
        if before != after:
            self.differences.append(f"{what}: {str(before)[:200]} before, {str(after)[:200]} after")


def rehearse(system: System, target: Path) -> Result:
    """Run the drill in a system's folder.

    Args:
        system: Not started.
        target: Folder for the backup, outside the system's.
    """
    result = Result()
    times = result.times
    timed(times, "start and train", system.start)
    client = PredictionClient(system.api)
    try:
        time.sleep(3)
        give_outcomes(system, [name for _, name in client.acknowledged[:50]])
        before = look(system)
        timed(times, "backup under requests", lambda: system.run("backup", str(target)))
        time.sleep(2)
        destroyed = time.time()
        system.kill()
    finally:
        client.stop()
    shutil.rmtree(system.home)
    manifest = collection.read_backup_manifest(collection.choose_backup(Folder(target)))
    timed(times, "restore", lambda: system.run("restore", str(target)))
    timed(times, "start after the restore", system.start)
    after = look(system)
    compare(result, before, after, manifest)
    created = datetime.fromisoformat(manifest.created).timestamp()
    judge_log(result, system, client, created)
    result.figures["backup"] = f"{sum(file.bytes for file in manifest.files.values()) / 1e6:.1f} MB"
    result.figures["RTO: from nothing to a prediction"] = f"{times['restore'] + times['start after the restore']:.1f} s"
    result.figures["RPO: from the backup's snapshot to the loss"] = f"{destroyed - created:.1f} s"
    return result


def compare(result: Result, before: State, after: State, manifest: BackupManifest) -> None:
    """Compare the system from before with the one that came back."""
    rows = sum(before.rows.values())
    result.expect_equal("row counts", before.rows, after.rows, f"{rows} rows in {len(before.rows)} tables are equal")
    result.expect_equal("champion", before.version, after.version, f"version {before.version} is equal")
    result.expect_equal(
        "golden predictions", before.answers, after.answers, f"{len(before.answers)} are equal to the bit"
    )
    saved = manifest.champion and manifest.champion.version
    result.expect_equal("champion in the manifest", before.version, saved, f"version {saved} is equal")


def judge_log(result: Result, system: System, client: PredictionClient, created: float) -> None:
    """Look for every prediction that was acknowledged before the backup began."""
    due = {name for moment, name in client.acknowledged if moment <= created}
    with contextlib.suppress(UserError):  # the restored spool is carried to the database
        wait_until(lambda: due <= logged_ids(system), seconds=30, every=0.5, failure="")
    lost = due - logged_ids(system)
    later = {name for moment, name in client.acknowledged if moment > created}
    survived = len(later & logged_ids(system))
    result.figures["acknowledged before the backup"] = f"{len(due)} predictions, {len(lost)} lost"
    result.figures["acknowledged after it began"] = f"{len(later)} predictions, {len(later) - survived} lost (RPO)"
    if lost or not due:
        result.differences.append(f"acknowledged predictions: {len(lost)} of {len(due)} are lost")


def report(result: Result) -> str:
    """Return the drill's table."""
    rows = [(name, f"{seconds:.1f} s") for name, seconds in result.times.items()] + [*result.figures.items()]
    width = max(len(name) for name, _ in rows)
    lines = [f"  {name:<{width}}  {value}" for name, value in rows]
    lines += [f"  DIFFERENCE  {difference}" for difference in result.differences]
    lines.append("Everything came back." if not result.differences else "NOT everything came back.")
    return "\n".join(lines)


def main() -> None:
    """Run the drill in a temporary folder and print its table."""
    configure_logging("text")
    source = sys.argv[1] if len(sys.argv) > 1 else ""
    with tempfile.TemporaryDirectory(prefix="readmission-drill-") as folder:
        # PostgreSQL may run as another user, who must be able to walk through.
        Path(folder).chmod(0o755)
        system = System(home=Path(folder) / "state", source=str(Path(source).absolute()) if source else "")
        try:
            result = rehearse(system, Path(folder) / "backups")
        except UserError as error:
            typer.echo(f"drill: {error}", err=True)
            sys.exit(1)
        finally:
            system.kill()
    typer.echo(report(result))
    sys.exit(1 if result.differences else 0)


if __name__ == "__main__":
    main()

"""Nothing that leaves a step, a feed or the database repeats a patient's value."""

import csv
import io
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg2
import pytest

from readmission import contract
from readmission.data import synthetic
from readmission.embedded import pgserver
from readmission.settings import Role, Settings
from readmission.steps import migrate
from readmission.stores import postgres
from tests.conftest import free_port, make_settings, wait_until
from tests.integration.api.collector import Collector
from tests.integration.api.marks import CODE, PATIENT, TEXT, as_csv, check
from tests.integration.api.tools import Registry, rows, until

#: Commands in their order, each with its exit code.
COMMANDS = {
    "ingest --all": 0,
    "ingest --source absent.csv": 1,
    "process": 0,
    "outcomes": 0,
    "monitor": 0,
    "score": 1,
    "score --file absent.csv --out out.csv": 1,
    "judge": 2,
    "privacy inventory": 0,
    "purge": 0,
    "rekey": 0,
    "privacy accesses --patient -": 0,
    f"privacy accesses --patient {PATIENT.number}x": 1,
    f"erase --patient - --reason 'patient {PATIENT.number}'": 1,
    "erase --patient - --reason 'asked to'": 0,
}


def run_step(settings: Settings, collector: Collector, *arguments: str, **environment: str) -> str:
    """Run a verb; return what it printed and logged."""
    roles: tuple[Role, ...] = ("ingest", "process", "monitor", "score", "privacy", "train")
    names = {f"POSTGRES_PASSWORD_{role.upper()}": settings.password(role) for role in roles}
    names |= {"HOME": str(settings.home), "POSTGRES_PORT": str(settings.postgres.port), "LOG_FORMAT": "json"}
    names |= {"POSTGRES_DATABASE": settings.postgres.database, "TRACE_ENDPOINT": collector.url, "PATIENT_KEY": "k" * 32}
    done = subprocess.run(
        [sys.executable, "-m", "readmission.cli", *arguments],
        env=os.environ | {f"READMISSION_{name}": value for name, value in (names | environment).items()},
        capture_output=True,
        text=True,
        input=f"{PATIENT.number}\n",
        timeout=180,
        check=False,
    )
    return f"[{done.returncode}] {done.stdout}{done.stderr}"


def marked_rows() -> str:
    """Return rows of one patient: allowed ones, refused ones, and lines that are no rows."""
    text = synthetic.generate(1500, seed=24).decode().split("\n", 1)[1]
    table = list(csv.DictReader(io.StringIO(text)))
    for number, row in enumerate(table[:40]):
        row |= {"patient_nbr": str(PATIENT.number), "encounter_id": str(PATIENT.encounter + number), "diag_1": CODE}
        if number % 4 == 1:
            row[list(contract.COLUMN_NAMES)[number]] = TEXT
    table[40]["patient_nbr"] = f"{PATIENT.number}x"
    # The second time with another value: a correction. A cell too many, and quotation marks that do not end.
    table.append({**table[0], "num_medications": "3"})
    return "# synthetic\n" + as_csv(table) + f'{TEXT},{PATIENT.number}\n"{TEXT}\n'


@contextmanager
def feed_of(source: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Run a feed of a file; give its URL and its log."""
    port, log = free_port(), folder / "feed.log"
    values = {"HOME": str(folder / "feed"), "FEED_PORT": str(port), "FEED_SOURCE": str(source), "FEED_OPENING": ""}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "readmission.cli", "feed"],
            env=os.environ | {f"READMISSION_{name}": value for name, value in values.items()},
            stdout=out,
            stderr=out,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: httpx.get(f"{url}/readyz", trust_env=False).is_success, 60)
        yield url, log
    finally:
        process.terminate()
        process.wait(20)


def test_nothing_that_leaves_the_steps_repeats_a_value(
    database: Settings, registry: Registry, collector: Collector, tmp_path: Path
) -> None:
    source = tmp_path / "rows.csv"
    source.write_text(marked_rows())
    environment = {"MLFLOW_URI": registry.url, "MODEL_NAME": registry.name, "SOURCE": str(source)}
    with feed_of(source, tmp_path) as (url, feed_log):
        left = {"ingest of the feed": run_step(database, collector, "ingest", "--all", SOURCE=f"feed+{url}")}
        assert left["ingest of the feed"].startswith("[0]"), left
        refused = httpx.get(f"{url}/batches/next", params={"after": TEXT}, trust_env=False)
        left |= {"refusal of the feed": refused.text, "log of the feed": feed_log.read_text()}
        left["metrics of the feed"] = httpx.get(f"{url}/metrics", trust_env=False).text
    for command, code in COMMANDS.items():
        output = left[command] = run_step(database, collector, *shlex.split(command), **environment)
        assert output.startswith(f"[{code}]"), output
    assert rows(database, "SELECT count(*) > 0 FROM raw.quarantine") == [(True,)]
    check(left | {"traces": "".join(body.decode("latin-1") for body in collector.bodies)})


def test_the_log_of_the_database_quotes_no_row(tmp_path: Path) -> None:
    settings = make_settings(tmp_path / "home", postgres_port=free_port())
    pgserver.initialise(settings)
    log = tmp_path / "postgres.log"
    with log.open("wb") as out:
        server = subprocess.Popen(pgserver.command(settings), stdout=out, stderr=out, cwd="/")
    try:
        wait_until(pgserver.accepts(settings), 30, server)
        migrate.run(settings)
        for statement in (
            "INSERT INTO raw.quarantine (batch_id, row_number, content, reasons) VALUES (1, 1, %(json)s, '[]')",
            "INSERT INTO raw.quarantine (batch_id, row_number, content, reasons) VALUES (1, 1, '{}', %(broken)s)",
            "SELECT %(text)s::int",
            "SELECT pg_sleep(5), %(text)s",
        ):
            with pytest.raises(psycopg2.Error), postgres.transaction(settings, "owner") as cursor:
                cursor.execute("SET statement_timeout = 100")
                cursor.execute(statement, {"text": TEXT, "json": json.dumps({"x": TEXT}), "broken": f"[{TEXT}"})
    finally:
        server.send_signal(2)
        server.wait(30)
    assert "database system is ready" in log.read_text()
    check({"log of the database": log.read_text()})

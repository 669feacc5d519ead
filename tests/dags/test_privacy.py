"""The embedded Airflow with its scheduler: what steps read of patients stays out of it, and its purge is measured."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest

from bench.pipeline.airflow import log_in
from readmission import polling
from readmission.embedded import airflow
from readmission.settings import Settings
from readmission.stores import postgres
from tests.conftest import free_port, make_settings, run_postgres, wait_until
from tests.integration.api.marks import TEXT, check
from tests.integration.api.test_leaks_of_steps import feed_of, marked_rows
from tests.integration.monitoring.test_exporter import scrape

pytestmark = pytest.mark.timeout(600)

OLD = """
INSERT INTO serving.predictions (prediction_id, predicted_at, model_name, model_version, inputs, inputs_sha256,
  prediction, p_no, p_late, p_early, missing, latency_ms, request_id)
SELECT gen_random_uuid(), now() - make_interval(days => days), 'm', '1', '{}', '', 'NO', 1, 0, 0, '{}', 1, 'r'
FROM unnest(ARRAY[900, 500, 500, 3]) days"""
PLACES = ("serving.predictions", "raw.quarantine")


class Airflow:
    """A running Airflow of the embedded system, with nothing but the feed beside it."""

    def __init__(self, settings: Settings, api: httpx.Client) -> None:
        self.settings, self._api = settings, api

    def run(self, dag_id: str, **params: object) -> str:
        """Run one DAG to its end, without its schedule; return its state."""
        self._api.patch(f"/dags/{dag_id}", json={"is_paused": False}).raise_for_status()
        answer = self._api.post(f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": params})
        answer.raise_for_status()
        url = f"/dags/{dag_id}/dagRuns/{answer.json()['dag_run_id']}"
        polling.wait_until(lambda: self._state(url) in ("success", "failed"), seconds=240, every=1, failure=dag_id)
        return self._state(url)

    def _state(self, url: str) -> str:
        try:
            return str(self._api.get(url).json()["state"])
        except httpx.TransportError:  # a busy machine
            return ""

    def database(self) -> str:
        """Return every row of Airflow's database, a line each."""
        url = self.settings.database_url("airflow", "airflow").replace("+psycopg2", "")
        lines = []
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            for (table,) in cursor.fetchall():
                cursor.execute(f'SELECT t::text FROM "{table}" t')
                lines += [f"{table}: {row}" for (row,) in cursor.fetchall()]
        return "\n".join(lines)

    def logs(self) -> dict[str, str]:
        """Return the log of every task, and what Airflow's processes print."""
        paths = sorted((self.settings.home / "airflow").rglob("*.log"))
        return {path.relative_to(self.settings.home).as_posix(): path.read_text() for path in paths}


def step_command(folder: Path) -> Path:
    """Write the program `readmission` of this checkout: a step sees none of the variables that Python looks at."""
    program = folder / "readmission"
    path = os.pathsep.join(filter(None, sys.path))
    program.write_text(f"#!/bin/sh\nPYTHONPATH='{path}' exec '{sys.executable}' -m readmission.cli \"$@\"\n")
    program.chmod(0o755)
    return program


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, mlflow_server: str) -> Iterator[Airflow]:
    folder = tmp_path_factory.mktemp("privacy")
    (folder / "rows.csv").write_text(marked_rows())
    with ExitStack() as stack:
        server = stack.enter_context(run_postgres(folder / "home"))
        url, _ = stack.enter_context(feed_of(folder / "rows.csv", folder))
        values: dict[str, object] = {
            "postgres_port": server.postgres.port,
            "airflow_port": free_port(),
            "feed_port": int(url.rpartition(":")[2]),
            "mlflow_uri": mlflow_server,
            "model_name": "nobody_promoted_one",
            "airflow_ingest_minutes": 600,
        }
        settings = make_settings(folder / "home", airflow=True, **values)
        airflow.migrate(settings)
        environment = airflow.environment(settings)
        environment |= {f"READMISSION_{name.upper()}": str(value) for name, value in values.items()}
        environment |= {
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
            "AIRFLOW__READMISSION__COMMAND": str(step_command(folder)),
            "AIRFLOW__READMISSION__RETRIES": "0",
        }
        commands = (
            ["api-server", "--host", "127.0.0.1", "--port", str(settings.airflow.port), "--workers", "1"],
            ["scheduler", "--skip-serve-logs"],
            ["dag-processor"],
        )
        for command in commands:
            out = stack.enter_context((folder / "home" / "airflow" / f"{command[0]}.log").open("wb"))
            process = subprocess.Popen(
                [sys.executable, "-m", "airflow", *command], env=environment, stdout=out, stderr=out
            )
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
        wait_until(lambda: answers(f"http://127.0.0.1:{settings.airflow.port}/api/v2/version"), 180, process)
        api = stack.enter_context(log_in(settings))
        wait_until(lambda: api.get("/dags/readmission_purge").is_success, 180, process)
        yield Airflow(settings, api)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def query(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    with postgres.transaction(settings, "owner") as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_nothing_that_a_step_reads_of_a_patient_is_left_in_airflow(running: Airflow) -> None:
    assert running.run("readmission_ingest") == "success"
    ((refused,),) = query(running.settings, "SELECT count(*) FROM raw.quarantine")
    assert refused > 5
    running.run("readmission_process")
    assert query(running.settings, "SELECT count(*) > 0 FROM clean.encounters") == [(True,)]
    assert running.run("readmission_batch_score", file="absent.csv", out="out.csv") == "failed"
    logs, rows = running.logs(), running.database()
    for step in ("ingest", "process", "score"):
        assert any(f"task_id={step}" in name for name in logs), list(logs)
    assert "readmission_batch_score" in rows and "There is no champion yet" in "".join(logs.values())
    check(logs | {"database of Airflow": rows})
    # The search does find what is there.
    with pytest.raises(AssertionError):
        check({"raw.quarantine": str(query(running.settings, "SELECT content::text FROM raw.quarantine")), TEXT: ""})
    print(f"\n{len(logs)} logs and {rows.count(chr(10)) + 1} rows of Airflow's database: 0 marks")


def test_the_purge_of_the_dag_moves_the_metric_and_writes_down_what_went(running: Airflow) -> None:
    settings = running.settings.replace(api_url="http://127.0.0.1:9")
    for days in (500, 3):
        query(settings, f"SELECT serving.ensure_month((now() - interval '{days} days')::date)")
    query(settings, OLD)
    query(settings, "UPDATE raw.quarantine SET quarantined_at = now() - interval '100 days'")
    ((refused,),) = query(settings, "SELECT count(*) FROM raw.quarantine WHERE content <> '{}'")
    before = scrape(settings)
    assert "readmission_retention_seconds" not in before
    assert running.run("readmission_purge") == "success"
    after = scrape(settings)
    oldest = "readmission_oldest_entry_timestamp_seconds"
    moved = (after[oldest]["serving.predictions",] - before[oldest]["serving.predictions",]) / 86_400
    assert moved == pytest.approx(897, abs=1) and ("raw.quarantine",) in before[oldest]
    assert ("raw.quarantine",) not in after[oldest], "nothing with content is left"
    kept = {name: after["readmission_retention_seconds"][name,] / 86_400 for name in PLACES}
    assert kept == {"serving.predictions": 400, "raw.quarantine": 90}
    dropped = {name: after["readmission_purged_rows_total"][name,] for name in PLACES}
    assert dropped == {"serving.predictions": 3, "raw.quarantine": refused}
    ledger = query(settings, "SELECT place, dropped FROM privacy.purges WHERE dropped > 0 ORDER BY place")
    assert ledger == [("raw.quarantine", refused), ("serving.predictions", 3)]
    print(f"\noldest prediction {moved:.0f} days younger; written down: {ledger}")

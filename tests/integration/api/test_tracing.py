"""Traces as a real collector receives them: of the API, of the demo's calls, of steps; nothing when they are off."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from readmission import tracing
from readmission.settings import Settings
from serving.demo.client import DemoClient
from tests.integration.api.collector import Collector
from tests.integration.api.tools import EXAMPLE, Api, Starter, install

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
#: Stands in no level of the contract; must stand nowhere but in the request.
SECRET = "a-patients-secret"


@pytest.fixture
def api(start: Starter, database: Settings, compiled: dict[str, Path], collector: Collector) -> Api:
    install(database.home, compiled["lightgbm"], "1")
    return start(READMISSION_TRACE_ENDPOINT=collector.url, READMISSION_LOG_FORMAT="json").wait("/readyz")


def lines(api: Api) -> list[dict[str, str]]:
    """Return the log; each line is JSON."""
    return [json.loads(line) for line in api.log.read_text().splitlines()]


def test_requests_are_spans_with_their_trace_in_log_and_answer(api: Api, collector: Collector) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    answer = api.http.post("/predict", json=EXAMPLE, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["x-trace-id"] == TRACE
    refused = api.http.post("/predict", json=EXAMPLE | {"age": SECRET})
    assert refused.status_code == 400
    assert refused.headers["x-trace-id"] not in (TRACE, "")
    batch = api.http.post("/predict_batch", json={"records": [EXAMPLE] * 3})
    own = api.http.get("/schema.json")
    api.http.get(f"/{SECRET}")
    assert api.http.get("/readyz").headers.get("x-trace-id") is None

    span = collector.span("POST /predict", trace=TRACE)
    assert span["parent"] == PARENT
    assert (span["service"], span["http.route"], span["http.response.status_code"]) == (
        "readmission-api",
        "/predict",
        200,
    )
    assert collector.span("POST /predict", trace=refused.headers["x-trace-id"])["http.response.status_code"] == 400
    assert collector.span("POST /predict_batch", trace=batch.headers["x-trace-id"])["readmission.rows"] == 3
    assert collector.span("GET other", trace=own.headers["x-trace-id"])["http.response.status_code"] == 200
    assert not [s for s in collector.spans() if "readyz" in s["name"]]

    logged = [line for line in lines(api) if line.get("trace_id") == TRACE]
    assert [re.sub(r"[\d.]+ ms", "_ ms", line["message"]) for line in logged] == ["POST /predict: 200 in _ ms"]


def test_neither_log_nor_trace_holds_a_patient_s_value(api: Api, collector: Collector) -> None:
    sent = EXAMPLE | {"patient_nbr": 987654321, "diag_1": "V98.76"}
    assert api.http.post("/predict", json=sent).status_code == 200
    for body in ({"age": SECRET}, {SECRET: 1}, {"diag_1": SECRET}):
        assert api.http.post("/predict", json=sent | body).status_code == 400
    api.http.post("/predict", content=f'{{"age": "{SECRET}'.encode())
    api.http.post("/predict_batch", json={"records": [sent, sent | {"race": SECRET}]})
    api.http.post("/feedback", json={"prediction_id": SECRET, "outcome": SECRET})
    api.http.get("/schema.json", params={"patient": SECRET})
    collector.span("GET other")
    assert api.stop() == 0
    texts = [api.log.read_text(), *(body.decode("latin-1") for body in collector.bodies)]
    assert not [text for text in texts for value in (SECRET, "987654321", "V98.76") if value in text]
    assert len(lines(api)) >= 8


def test_the_demo_s_call_and_the_answer_are_one_trace(
    api: Api, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(trace_endpoint=collector.url)
    assert tracing.start(settings, "readmission-demo")

    async def ask() -> None:
        client = DemoClient(str(api.http.base_url))
        await client.predict(EXAMPLE)
        await client.close()

    try:
        asyncio.run(ask())
    finally:
        tracing.stop()
    call = collector.span("POST /predict", service="readmission-demo")
    answer = collector.span("POST /predict", service="readmission-api")
    assert (answer["trace"], answer["parent"]) == (call["trace"], call["id"])


def step(config: Settings, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    names = {"READMISSION_HOME": str(config.home), "READMISSION_POSTGRES_PORT": str(config.postgres.port)}
    names |= {"READMISSION_POSTGRES_DATABASE": config.postgres.database}
    names |= {f"READMISSION_POSTGRES_PASSWORD_{r.upper()}": config.password(r) for r in ("ingest", "process")}
    return subprocess.run(
        [sys.executable, "-m", "readmission.cli", *arguments],
        env=os.environ | names | {f"READMISSION_{k}": v for k, v in environment.items()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_each_step_is_a_span_with_its_rows(database: Settings, sample: Path, collector: Collector) -> None:
    traced = {"TRACE_ENDPOINT": f"{collector.url}/v1/traces", "LOG_FORMAT": "json"}
    done = step(database, "ingest", "--all", "--source", str(sample), **traced)
    assert done.returncode == 0, done.stderr
    span = collector.span("ingest")
    assert (span["service"], span["readmission.rows"], span["failed"]) == ("readmission-pipeline", 2000, False)
    logged = [json.loads(line) for line in done.stderr.splitlines()]
    assert {line["trace_id"] for line in logged} == {span["trace"]}

    failed = step(database, "ingest", "--source", f"/nowhere/{SECRET}", **traced)
    assert failed.returncode == 1
    assert json.loads(failed.stderr.splitlines()[-1])["level"] == "error"
    span = collector.span("ingest", failed=True)
    assert (span["told"], span["events"]) == ("UserError", 0)


def test_a_collector_that_is_away_costs_a_step_seconds_and_no_failure(database: Settings, sample: Path) -> None:
    began = time.monotonic()
    done = step(database, "ingest", "--source", str(sample), TRACE_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 60
    assert "batch 1: read" in done.stderr


def test_without_an_endpoint_nothing_is_imported_and_nothing_stands_in_the_way(start: Starter) -> None:
    code = (
        "import sys, readmission.cli, readmission.tracing as t, serving.demo.client\n"
        "import serving.edge.tracing, serving.app\n"
        "from readmission.settings import Settings\n"
        "assert t.start(Settings(), 'x') is False\n"
        "with t.span('x') as span: t.count(rows=1); assert span is None and t.outgoing() == {}\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
        "from serving.service import Api, Worker\n"
        "assert type(Worker(Settings()).build_app(None)) is Api\n"
        "print([n for n in sys.modules if n.startswith('opentelemetry.exporter')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n[]\n", done.stderr
    api = start().wait()
    assert "x-trace-id" not in api.http.post("/predict", json=EXAMPLE).headers


def test_a_traceback_does_not_quote_the_database(database: Settings, sample: Path) -> None:
    code = (
        "import psycopg2, logging\nfrom readmission.logs import configure_logging\nconfigure_logging('json')\n"
        f"raise psycopg2.DataError('invalid input: {SECRET}') from RuntimeError('the cause')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert SECRET not in line
    assert "DataError" in json.loads(line)["traceback"]
    assert "the cause" in json.loads(line)["traceback"]

"""Marked values go in by every door, allowed and not; nothing that leaves the processes repeats them.

What leaves: logs (API with its sidecar, demo, steps, database), traces, metrics, and answers that refuse.
`FUZZ_LEAKS` says how many requests are made up; `make privacy` makes 5,000.
"""

import copy
import csv
import io
import json
import os
import random
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psycopg2
import pytest

from readmission import contract
from readmission.data import synthetic
from readmission.embedded import pgserver
from readmission.settings import Role, Settings
from readmission.steps import migrate
from readmission.stores import postgres
from serving.clinic import hooks
from serving.prediction_log.ids import Ids
from tests.conftest import free_port, make_settings, wait_until
from tests.integration.api import doors, record_system
from tests.integration.api.collector import Collector
from tests.integration.api.tools import EXAMPLE, Api, Registry, Starter, install, rows, until

REQUESTS = int(os.environ.get("FUZZ_LEAKS", "400"))
PATIENT = doors.Patient(871_234_567, 6_541_234_567, "pat-8712mark", "stay-6541mark")
#: In no level of the contract; it may stand in the request and nowhere else.
TEXT, CODE, NAME = "Zanzibar-mark", "V98.76", "fieldmark"
MARKS = (TEXT, CODE, str(PATIENT.number), str(PATIENT.encounter), PATIENT.reference, PATIENT.stay)
PIECES: tuple[Any, ...] = (
    TEXT,
    CODE,
    PATIENT.number,
    PATIENT.encounter,
    [TEXT],
    {TEXT: TEXT},
    f"\x00{TEXT}",
    1e30,
    None,
)
KINDS = ("application/json", "application/x-ndjson", "text/csv", "", f"text/plain; charset={TEXT}")


class System(NamedTuple):
    """The processes under test."""

    settings: Settings
    api: Api
    demo: doors.Demo
    collector: Collector


@pytest.fixture
def system(start: Starter, database: Settings, compiled: dict[str, Path], collector: Collector) -> Iterator[System]:
    install(database.home, compiled["lightgbm"], "1")
    tracing = {"READMISSION_TRACE_ENDPOINT": collector.url, "READMISSION_LOG_FORMAT": "json"}
    api: Api = start(**tracing, **doors.clinic_environment(database.home)).wait("/readyz")
    with doors.demo_for(api, database.home, TRACE_ENDPOINT=collector.url, LOG_FORMAT="json") as demo:
        yield System(database, api, demo, collector)


def bodies() -> dict[str, Any]:
    """Return an allowed body of each door."""
    record = {**PATIENT.record, "diag_1": CODE}
    prediction = Ids().new()
    return {
        "/predict": record,
        "/explain": record,
        "/predict_batch": {"records": [record, EXAMPLE]},
        "/feedback": {"prediction_id": prediction, "outcome": "<30"},
        "/follow-ups": {"prediction_id": prediction, "action": "called"},
        "/fhir/RiskAssessment": doors.as_bundle(PATIENT),
        hooks.CALL: PATIENT.call(),
        hooks.FEEDBACK: doors.card_feedback(prediction, TEXT),
    }


def spoilt(draw: random.Random, body: Any) -> Any:
    """Return a body with marked values in places of others, and marked names among its names."""
    holders: list[tuple[Any, Any]] = []
    body = copy.deepcopy(body)

    def walk(value: Any) -> None:
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in items:
            holders.append((value, key))
            walk(inner)

    walk(body)
    for _ in range(draw.randint(1, 3)):
        holder, key = draw.choice(holders)
        holder[key] = draw.choice(PIECES)
    if isinstance(body, dict) and draw.random() < 0.2:
        body[NAME] = TEXT
    return body


def cut(draw: random.Random, content: bytes) -> bytes:
    """Return content that is sometimes cut or has other bytes in it."""
    data = bytearray(content)
    if draw.random() < 0.2:
        del data[draw.randrange(len(data)) :]
    if draw.random() < 0.2:
        data[(at := draw.randrange(len(data) + 1)) : at + 2] = draw.randbytes(2)
    return bytes(data)


def send(draw: random.Random, api: Api, path: str, content: bytes, kind: str) -> httpx.Response:
    headers = {"content-type": kind, "user-agent": TEXT, "x-request-id": TEXT, "x-forwarded-for": TEXT, "cookie": TEXT}
    query = {TEXT: TEXT, "include": TEXT} if draw.random() < 0.3 else {}
    if path.startswith("/cds-services"):
        headers["authorization"] = f"Bearer {record_system.token(aud=record_system.URL + path)}"
    if draw.random() < 0.05:
        headers["authorization"] = f"Bearer {TEXT}"
    if draw.random() < 0.05:
        path = f"{path}/{TEXT}"
    method = TEXT if draw.random() < 0.02 else "POST"
    return api.http.request(method, path, content=content, headers=headers, params=query)


def as_csv(records: list[dict[str, Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return buffer.getvalue()


def test_nothing_that_leaves_the_api_and_the_demo_repeats_a_value(system: System, tmp_path: Path) -> None:
    draw, repeated, codes = random.Random(24), [], dict[int, int]()
    allowed = bodies()
    table = as_csv([{**PATIENT.record, "diag_1": CODE}, {**PATIENT.record, "race": TEXT}])
    lines = "\n".join(json.dumps(spoilt(draw, PATIENT.record)) for _ in range(5)).encode()
    answers = [send(draw, system.api, path, json.dumps(body).encode(), KINDS[0]) for path, body in allowed.items()]
    answers += [send(draw, system.api, "/predict_batch", lines, KINDS[1])]
    answers += [send(draw, system.api, "/predict_batch", table.encode(), KINDS[2])]
    for number in range(REQUESTS):
        path = draw.choice(list(allowed))
        content = json.dumps(spoilt(draw, allowed[path])).encode()
        if path == "/predict_batch" and number % 2:
            content = as_csv([spoilt(draw, PATIENT.record)] * 2).encode()
        answers.append(send(draw, system.api, path, cut(draw, content), draw.choice(KINDS)))
    for answer in answers:
        codes[answer.status_code] = codes.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, (answer.request.url.path, answer.text)
        if answer.status_code >= 400:
            repeated += [(answer.request.url.path, answer.text) for mark in MARKS if mark in answer.text]
    assert repeated == []
    assert codes[200] >= 8 and codes[400] > REQUESTS / 10, codes
    for uploaded in (table, as_csv([spoilt(draw, PATIENT.record)]), f"{TEXT}\n{PATIENT.number}\n", f'"{TEXT}\n'):
        system.demo.score(uploaded, tmp_path)
    httpx.get(f"{system.demo.url}/{TEXT}", params={TEXT: PATIENT.number}, trust_env=False)
    assert until(lambda: rows(system.settings, "SELECT count(*) FROM serving.predictions")[0][0] > 5, 30)
    until(lambda: not list((system.settings.home / "spool").glob("*.log")), 30)
    pages = [system.api.http.get("/metrics").text, httpx.get(f"{system.demo.url}/metrics", trust_env=False).text]
    system.collector.span("POST /predict_batch", service="readmission-demo")
    assert system.api.stop() == 0
    left = {
        "log of the API": system.api.log.read_text(),
        "log of the demo": system.demo.log.read_text(),
        "metrics": "".join(pages),
        "traces": "".join(body.decode("latin-1") for body in system.collector.bodies),
    }
    check(left)
    print(f"\n{len(answers)} requests, answered {dict(sorted(codes.items()))}; {list(left)}: 0 marks")


def check(left: dict[str, str]) -> None:
    """Fail with the line of every mark."""
    leaks = []
    for name, text in left.items():
        for mark in (*MARKS, NAME, urllib.parse.quote(TEXT)):
            leaks += [f"{name}: {line[:300]}" for line in text.splitlines() if mark in line][:3]
    assert leaks == [], "\n".join(leaks)


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
    verbs: list[tuple[int, tuple[str, ...]]] = [
        (
            0,
            (
                "ingest",
                "--all",
            ),
        ),
        (
            1,
            (
                "ingest",
                "--source",
                f"{tmp_path}/absent.csv",
            ),
        ),
        (0, ("process",)),
        (0, ("outcomes",)),
        (0, ("monitor",)),
        (1, ("score",)),
        (
            0,
            (
                "privacy",
                "accesses",
                "--patient",
                "-",
            ),
        ),
        (
            1,
            (
                "privacy",
                "accesses",
                "--patient",
                f"{PATIENT.number}x",
            ),
        ),
        (
            1,
            (
                "erase",
                "--patient",
                "-",
                "--reason",
                f"patient {PATIENT.number}",
            ),
        ),
        (
            0,
            (
                "erase",
                "--patient",
                "-",
                "--reason",
                "asked to",
            ),
        ),
    ]
    for code, verb in verbs:
        output = left[f"{code} {verb}"] = run_step(database, collector, *verb, **environment)
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

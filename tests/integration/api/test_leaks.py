"""Marked values go in by every door, allowed and not; nothing that leaves the processes repeats them.

What leaves: logs (API with its sidecar, demo, steps, database), traces, metrics, and answers that refuse.
`FUZZ_LEAKS` says how many requests are made up; `make privacy` makes 5,000.
"""

import copy
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from readmission.settings import Settings
from serving.clinic import hooks
from serving.prediction_log.ids import Ids
from tests.integration.api import doors, record_system
from tests.integration.api.collector import Collector
from tests.integration.api.marks import CODE, MARKS, NAME, PATIENT, TEXT, as_csv, check
from tests.integration.api.tools import EXAMPLE, Api, Starter, install, rows, until

REQUESTS = int(os.environ.get("FUZZ_LEAKS", "400"))


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


def knock(api: Api) -> None:
    """Send marks by the doors that take no record."""
    for path in ("/worklist", "/worklist?format=csv", "/model-info", "/health", "/docs", "/cds-services"):
        api.http.get(path, params={TEXT: TEXT, "format": TEXT}, headers={"x-request-id": TEXT})
    for path in (f"/model-card?format={TEXT}", f"/reload-model?{TEXT}", f"/feedback/{PATIENT.number}"):
        for answer in (api.http.get(path), api.http.post(path, content=TEXT)):
            assert not [mark for mark in MARKS if mark in answer.text], answer.text


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
    knock(system.api)
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

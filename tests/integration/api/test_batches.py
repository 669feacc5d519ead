"""Batches as JSON, NDJSON and CSV: answers by record, and streams that end; requests that bring no body."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from readmission import contract
from tests.integration.api.tools import EXAMPLE, REQUIRED, Api, until


def test_batches_answer_by_index(api: Api) -> None:
    content = api.http.post("/predict_batch", json={"records": [EXAMPLE, {}, EXAMPLE, [], 3]}).json()
    assert len(content["predictions"]) == 2 and [e["index"] for e in content["errors"]] == [1, 3, 4]
    assert {e["field"] for e in content["errors"][0]["errors"]} > set(REQUIRED)
    alone = api.predict().json()
    assert content["predictions"][0]["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-12)
    bodies: list[Any] = [{"records": []}, {"records": [EXAMPLE] * 601}, {}, [], {"records": [EXAMPLE], "x": 1}]
    for wrong in bodies:
        assert api.http.post("/predict_batch", json=wrong).status_code == 400
    assert api.http.post("/predict_batch", json={"records": [{}]}).json()["predictions"] == []


def test_a_batch_answers_as_single_requests_do(api: Api) -> None:
    full = EXAMPLE | {name: "No" for name in contract.FEATURE_NAMES if contract.BY_NAME[name].group == "drugs"}
    records = [EXAMPLE, full, EXAMPLE | {"discharge_disposition_id": 11, "race": None}, EXAMPLE | {"diag_1": "?"}] * 3
    together = api.http.post("/predict_batch", json={"records": records}).json()["predictions"]
    assert len({answer["prediction_id"] for answer in together}) == len(records)
    for record, many in zip(records, together, strict=True):
        single = api.http.post("/predict", json=record).json()
        assert list(many) == list(single)
        assert many["probabilities"] == pytest.approx(single["probabilities"], abs=1e-12)
        assert many["readmission_risk_30d"] == many["probabilities"]["<30"]
        own = {"prediction_id", "timestamp", "probabilities", "readmission_risk_30d"}
        assert {k: v for k, v in many.items() if k not in own} == {k: v for k, v in single.items() if k not in own}


def test_small_batches_wait_for_their_turn(api: Api) -> None:
    body = json.dumps({"records": [EXAMPLE] * 300}).encode()
    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda _: api.http.post("/predict_batch", content=body).status_code, range(48)))
    assert statuses == [200] * 48


def test_clients_that_send_or_read_slowly_hold_nobody_up(api: Api) -> None:
    head = b"POST /predict_batch HTTP/1.1\r\nhost: x\r\nauthorization: %b\r\n"
    head += b"content-type: %b\r\ncontent-length: %d\r\n\r\n"
    key = api.http.headers["authorization"].encode()
    lines = json.dumps(EXAMPLE).encode() + b"\n"
    slow = [socket.create_connection(("127.0.0.1", api.port)) for _ in range(9)]
    for connection in slow[:3]:
        connection.sendall(head % (key, b"application/json", 100) + b"{")
    for connection in slow[3:6]:
        connection.sendall(head % (key, b"application/x-ndjson", 10_000) + lines)
    for connection in slow[6:]:
        connection.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            connection.send(head % (key, b"application/x-ndjson", 20_000 * len(lines)) + 20_000 * lines)
    body = json.dumps({"records": [EXAMPLE] * 300}).encode()
    for _ in range(5):
        assert api.http.post("/predict_batch", content=body).status_code == 200
        time.sleep(0.1)
    for connection in slow:
        connection.close()


def test_ndjson_streams_any_number(api: Api) -> None:
    def lines() -> Iterator[bytes]:
        for number in range(2500):
            record = EXAMPLE if number != 1700 else {"age": "x"}
            yield json.dumps(record).encode() + b"\n"
            if number % 100 == 0:
                yield b"\n"

    kind = {"content-type": "application/x-ndjson"}
    answer = api.http.post("/predict_batch", content=lines(), headers=kind)
    entries = [json.loads(line) for line in answer.text.splitlines()]
    assert len(entries) == 2500
    assert entries[1700]["index"] == 1700 and entries[1700]["errors"]
    assert all(entry["prediction"] for number, entry in enumerate(entries) if number != 1700)


def test_csv_answers_line_by_line(api: Api) -> None:
    names = [c.name for c in contract.COLUMNS if c.name in EXAMPLE]
    row = ",".join(str(EXAMPLE[name]) for name in names)
    broken = row.replace("[70-80)", "elderly")
    text = "\ufeff" + ",".join(names) + f"\r\n{row}\r\n{broken}\r\n"
    answer = api.http.post("/predict_batch", content=text.encode(), headers={"content-type": "text/csv"})
    head, good, bad = answer.text.splitlines()
    assert head == "prediction_id,prediction,NO,>30,<30,risk_band,model_version,missing,error"
    assert good.split(",")[1] == api.predict().json()["prediction"]
    assert "age: level" in bad


def test_csv_refuses_what_json_refuses(api: Api) -> None:
    names = ",".join(REQUIRED) + ",number_diagnoses"
    row = ",".join(str((EXAMPLE | {"number_diagnoses": 9})[name]) for name in names.split(","))
    kind = {"content-type": "text/csv"}
    answer = api.http.post("/predict_batch", content=f"{names},insulinn\n{row},Up\n".encode(), headers=kind)
    assert len(answer.text.splitlines()) == 2
    assert "insulinn: unknown (allowed: a column of GET /docs/columns; nearest: insulin)" in answer.text
    answer = api.http.post("/predict_batch", content=f"{names}\n{row}\n{row},Up\n".encode(), headers=kind)
    _, good, surplus = answer.text.splitlines()
    assert good.split(",")[1] in contract.CLASSES and "size (allowed: 7 cells, as the header has)" in surplus


@pytest.mark.parametrize("kind", ["text/csv", "application/x-ndjson"])
def test_a_stream_that_cannot_go_on_says_so_and_ends_whole(api: Api, kind: str) -> None:
    names = ",".join(REQUIRED) + ",number_diagnoses\n"
    start = names if kind == "text/csv" else json.dumps(EXAMPLE) + "\n"
    lines = [start, 'a\rb,"c\n', "x" * 70_000, "\n"]
    answer = api.http.post("/predict_batch", content="".join(lines).encode(), headers={"content-type": kind})
    assert answer.status_code == 200 and "larger than 65,536 bytes" in answer.text.splitlines()[-1]


def test_icd10_codes_answer_as_their_icd9_codes_do_in_every_format(api: Api) -> None:
    record = EXAMPLE | {"diag_1": "I50.9", "diag_2": "E1122", "diag_3": "E878", "icd": "10cm"}
    expected = api.http.post("/predict", json=EXAMPLE | {"diag_1": "428", "diag_2": "250.4", "diag_3": "276"}).json()
    single = api.http.post("/predict", json=record).json()
    assert single["probabilities"] == expected["probabilities"]
    undeclared = api.http.post("/predict", json={k: v for k, v in record.items() if k != "icd"})
    assert undeclared.status_code == 400
    problems = {(e["field"], e["problem"]) for e in undeclared.json()["errors"]}
    assert problems == {("diag_1", "pattern"), ("diag_2", "pattern")}
    many = api.http.post("/predict_batch", json={"records": [record, record | {"diag_3": "U07.1"}]}).json()
    assert many["predictions"][0]["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-12)
    assert [(e["field"], e["problem"]) for e in many["errors"][0]["errors"]] == [("diag_3", "unmapped")]
    text = f"{','.join(record)}\n{','.join(str(value) for value in record.values())}\n"
    answer = api.http.post("/predict_batch", content=text.encode(), headers={"content-type": "text/csv"})
    risk = float(answer.text.splitlines()[1].split(",")[4])
    assert risk == pytest.approx(expected["readmission_risk_30d"], abs=1e-8)


def test_head_has_the_length_of_get(api: Api) -> None:
    for path in ("/livez", "/readyz", "/docs/columns", "/openapi.json"):
        head, get = api.http.head(path), api.http.get(path)
        assert head.status_code == get.status_code and head.content == b""
        assert head.headers["content-length"] == str(len(get.content)) != "0", path


def test_a_client_that_leaves_before_its_body_has_refused_nothing(api: Api) -> None:
    before = api.metric("readmission_validation_failures_total")
    left = api.metric("readmission_requests_rejected_total", reason="gone")
    key = api.http.headers["authorization"].encode()
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\nauthorization: " + key + b"\r\ncontent-length: 10\r\n\r\n"
    with socket.create_connection(("127.0.0.1", api.port)) as connection:
        connection.sendall(head)
    until(lambda: api.metric("readmission_requests_rejected_total", reason="gone") == left + 1)
    assert api.metric("readmission_validation_failures_total") == before

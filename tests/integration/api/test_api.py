"""The API as clients meet it: answers, refusals, limits, keys."""

import contextlib
import csv
import hashlib
import io
import json
import re
import socket
import time
import uuid
from pathlib import Path

import httpx
import pytest

from readmission import contract, scorer
from readmission.features.visits import Visits
from readmission.scorer import rows
from tests.integration.api.tools import EXAMPLE, TOKEN, Api, install, until


def test_an_answer_has_every_field(api: Api, compiled: dict[str, Path]) -> None:
    answer = api.predict()
    content = answer.json()
    assert answer.status_code == 200
    assert list(content) == [
        "prediction_id",
        "prediction",
        "probabilities",
        "readmission_risk_30d",
        "risk_band",
        "model_name",
        "model_version",
        "missing",
        "timestamp",
    ]
    values = tuple(EXAMPLE.get(name) for name in contract.FEATURE_NAMES)
    expected = dict(zip(contract.CLASSES, scorer.load(compiled["lightgbm"]).score(values), strict=True))
    assert content["probabilities"] == expected
    assert content["prediction"] == max(expected, key=lambda name: expected[name])
    assert content["readmission_risk_30d"] == expected["<30"]
    info = api.info()
    band = max((b for b in info["risk_bands"] if b["at_least"] <= expected["<30"]), key=lambda b: b["at_least"])
    assert content["risk_band"] == band["name"] and len(info["risk_bands"]) == 4
    assert 0 < info["prevalence"] < 1
    assert [point["rule"] for point in info["operating_points"]][:2] == ["alert 5%", "alert 10%"]
    assert content["missing"] == [name for name in contract.FEATURE_NAMES if name not in EXAMPLE]
    assert uuid.UUID(content["prediction_id"]).version == 7
    assert answer.headers["x-request-id"] == content["prediction_id"]
    for name in ("x-content-type-options", "content-security-policy", "referrer-policy", "cache-control"):
        assert answer.headers[name]


def test_the_card_and_the_gates_of_the_version_are_shown(api: Api) -> None:
    card = api.http.get("/model-card")
    assert card.status_code == 200 and card.text == "<h1>Model card</h1>"
    assert card.headers["content-type"].startswith("text/html")
    assert card.headers["content-security-policy"].startswith("default-src 'none'")
    markdown, xml = (api.http.get("/model-card", params={"format": form}) for form in ("markdown", "xml"))
    assert (markdown.text, markdown.headers["content-type"]) == ("# Model card", "text/markdown; charset=utf-8")
    assert (xml.text, xml.headers["content-type"]) == ("<A/>", "application/xml")
    assert api.http.get("/model-card?format=pdf").json() == {"error": "format: one of html, markdown, xml"}
    (gate,) = api.info()["gates"]
    assert (gate["gate"], gate["value"], gate["limit"], gate["passed"]) == ("fast_enough", 30.0, "at most 1000", True)


def test_a_patient_who_is_known_has_a_history_in_every_format(api: Api, compiled: dict[str, Path]) -> None:
    scorer_ = scorer.load(compiled["lightgbm"])
    visits = Visits.open(compiled["lightgbm"] / "visits.bin")
    assert api.http.get("/model-info").json()["history"] == {"patients": visits.patients, "visits": visits.count}
    returned = [p for p in map(visits.patient, range(visits.patients)) if len(visits.of(p)) > 1]
    records = [EXAMPLE | {"patient_nbr": patient} for patient in returned[:30]]
    expected = [scorer_.score(tuple(r.get(name) for name in rows.ORDER))[2] for r in records]
    first = scorer_.score(tuple(EXAMPLE.get(name) for name in rows.ORDER))[2]
    assert max(abs(risk - first) for risk in expected) > 1e-4
    single = [api.http.post("/predict", json=r).json()["readmission_risk_30d"] for r in records[:5]]
    assert single == pytest.approx(expected[:5])
    batch = api.http.post("/predict_batch", json={"records": records}).json()["predictions"]
    assert [a["readmission_risk_30d"] for a in batch] == pytest.approx(expected)
    lines = "\n".join(map(json.dumps, records))
    answers = api.http.post("/predict_batch", content=lines, headers={"content-type": "application/x-ndjson"}).text
    assert [json.loads(a)["readmission_risk_30d"] for a in answers.splitlines()] == pytest.approx(expected)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(records[0]))
    writer.writeheader()
    writer.writerows(records)
    table = csv.DictReader(
        io.StringIO(api.http.post("/predict_batch", content=text.getvalue(), headers={"content-type": "text/csv"}).text)
    )
    assert [float(row["<30"]) for row in table] == pytest.approx(expected, abs=1e-9)
    # No number is a label's value, and one too long to be a part of another figure is nowhere.
    assert api.predict(patient_nbr=187_654_321).status_code == 200
    metrics = api.http.get("/metrics").text
    # A status code or a process id may happen to be a patient's number.
    series = [re.sub(r'(code|pid)="\d+"', "", line) for line in metrics.splitlines()]
    leaked = [line for line in series if any(f'"{patient}"' in line for patient in returned)]
    assert not leaked
    assert "187654321" not in metrics and "187654321" not in api.log.read_text()


def test_patients_who_died_get_a_note(api: Api) -> None:
    assert "death or hospice" in api.predict(discharge_disposition_id=11).json()["notes"][0]


def test_refusals_list_field_problem_and_what_is_allowed(api: Api) -> None:
    before = api.metric("readmission_validation_failures_total", field="age", problem="level")
    answer = api.predict(age="SECRET-VALUE", gender=3, xyz=1)
    assert answer.status_code == 400 and "SECRET-VALUE" not in answer.text
    problems = {error["field"]: (error["problem"], error["allowed"]) for error in answer.json()["errors"]}
    assert set(problems) == {"age", "gender", "xyz"}
    assert problems["age"][0] == "level" and "'[0-10)'" in problems["age"][1]
    assert api.metric("readmission_validation_failures_total", field="age", problem="level") == before + 1
    assert api.metric("readmission_validation_failures_total", field="other", problem="unknown") >= 1
    assert "xyz" not in api.http.get("/metrics").text


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [("GET", "/predict", 405), ("DELETE", "/feedback", 405), ("GET", "/nothing", 404), ("POST", "/predictx", 404)],
)
def test_other_requests_are_refused(api: Api, method: str, path: str, code: int) -> None:
    assert api.http.request(method, path).status_code == code
    assert "/nothing" not in api.http.get("/metrics").text


def test_contributions_add_up(api: Api) -> None:
    content = api.http.post("/explain", json=EXAMPLE).json()
    assert content["base"] + sum(content["contributions"].values()) == pytest.approx(content["margin"], abs=1e-9)
    assert api.http.post("/explain", json={}).status_code == 400


def test_keys_have_scopes_and_are_read_anew(api: Api) -> None:
    def call(key: str, path: str, body: object) -> int:
        return httpx.post(f"{api.http.base_url}{path}", json=body, headers={"x-api-key": key}).status_code

    assert call("", "/predict", EXAMPLE) == 401
    assert call("wrong", "/predict", EXAMPLE) == 401
    assert call("r" * 20, "/predict", EXAMPLE) == 200
    assert call("r" * 20, "/feedback", {}) == 403
    assert call("w" * 20, "/feedback", {}) == 400
    assert call("w" * 20, "/reload-model", {}) == 403
    assert call("b" * 20, "/reload-model", {}) == 202
    assert call(TOKEN, "/reload-model", {}) == 202
    assert call("n" * 20, "/predict", EXAMPLE) == 401
    with (api.home / "keys").open("a") as file:
        file.write(f"\nnew:{hashlib.sha256(b'n' * 20).hexdigest()}:predict\n")
    until(lambda: call("n" * 20, "/predict", EXAMPLE) == 200)
    assert api.http.get("/livez", headers={"authorization": ""}).status_code == 200
    until(lambda: api.metric("readmission_key_requests_total", key="new") >= 1)
    assert api.metric("readmission_failed_attempts_total") >= 3


def test_giant_and_slow_bodies_do_no_harm(api: Api) -> None:
    assert api.http.post("/predict", content=b" " * 70_000).status_code == 413
    with socket.create_connection(("127.0.0.1", api.port)) as slow:
        key = "w" * 20
        slow.sendall(f"POST /predict HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\ncontent-length: 900\r\n\r\n{{".encode())
        started = time.perf_counter()
        assert api.predict().status_code == 200
        assert time.perf_counter() - started < 2
    chunks = (b"x" * 65_536 for _ in range(2000))
    # The server may close while the client still sends.
    with contextlib.suppress(httpx.TransportError):
        assert api.http.post("/predict_batch", content=chunks).status_code == 413
    assert api.predict().status_code == 200


def test_the_canary_gets_its_share_by_patient(api: Api, compiled: dict[str, Path]) -> None:
    install(api.home, compiled["decision_tree"], "8", alias="challenger")
    until(lambda: api.info()["challenger"])

    def version(patient: int) -> str:
        return str(api.predict(patient_nbr=patient).json()["model_version"])

    first = {patient: version(patient) for patient in range(1, 81)}
    assert first == {patient: version(patient) for patient in range(1, 81)}
    share = sum(v == "8" for v in first.values()) / len(first)
    assert 0.25 < share < 0.75
    assert api.metric("readmission_predictions_total", variant="challenger", model_version="8") > 0
    install(api.home, compiled["decision_tree"], "", alias="challenger")
    until(lambda: api.info()["challenger"] is None)
    assert {version(patient) for patient in range(1, 81)} == {"7"}


def test_the_description_is_complete_and_nothing_loads_from_outside(api: Api) -> None:
    document = api.http.get("/openapi.json").json()
    assert set(document["paths"]) >= {"/predict", "/predict_batch", "/explain", "/feedback", "/model-info", "/health"}
    schema = document["components"]["schemas"]["Encounter"]
    assert set(schema["properties"]) == {"icd", *(c.name for c in contract.REQUEST_COLUMNS)}
    for path in ("/", "/docs", "/docs/columns"):
        page = api.http.get(path)
        assert page.status_code == 200 and not re.search(r"(src|href)=[\"']?(https?:)?//", page.text)
        assert "default-src 'none'" in page.headers["content-security-policy"]


def test_the_words_of_the_first_system_are_taken_and_noted(api: Api) -> None:
    worded = EXAMPLE | {"change": "yes", "diabetesMed": "yes"}
    notes = ["change was read as 'Ch'", "diabetesMed was read as 'Yes'"]
    own = api.predict().json()
    answer = api.http.post("/predict", json=worded).json()
    assert answer["notes"] == notes and answer["probabilities"] == own["probabilities"]
    batch = api.http.post("/predict_batch", json={"records": [EXAMPLE, worded]}).json()
    assert [prediction.get("notes") for prediction in batch["predictions"]] == [None, notes]
    assert api.http.post("/explain", json=worded).json()["notes"] == notes


def test_both_spellings_of_the_reload_answer_alike(api: Api) -> None:
    admin = {"authorization": "Bearer " + "b" * 20}
    answers = [api.http.post(path, headers=admin) for path in ("/reload-model", "/reload_model")]
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}
    assert api.http.post("/reload_model").status_code == 403


def test_bentoml_clients_work(api: Api) -> None:
    import bentoml

    with bentoml.SyncHTTPClient(str(api.http.base_url), token="w" * 20) as client:
        assert client.predict(EXAMPLE)["prediction"] in contract.CLASSES


def test_logs_hold_no_values_of_patients(api: Api) -> None:
    api.predict(age="SECRET-VALUE", patient_nbr=987654321)
    api.http.post("/predict_batch", content=b"SECRET-VALUE")
    text = api.log.read_text()
    assert "SECRET-VALUE" not in text and "987654321" not in text


def test_known_scores_come_only_when_asked_for(api: Api) -> None:
    assert "known_scores" not in api.predict().json()
    answer = api.http.post("/predict?include=known_scores", json=EXAMPLE)
    scores = {score["name"]: score["points"] for score in answer.json()["known_scores"]}
    assert answer.status_code == 200 and set(scores) == {"lace", "hospital", "inpatient_stays"}
    assert scores["inpatient_stays"] == EXAMPLE["number_inpatient"]
    assert api.http.post("/predict?include=risk", json=EXAMPLE).status_code == 400

"""The Python client: pages of a stream, what is asked again, and answers that are not the API's."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from readmission.client import ApiError, Client, Prediction, Refusal

Handler = Callable[[httpx.Request], httpx.Response]
ANSWER = {
    "prediction_id": "p",
    "prediction": "NO",
    "probabilities": {"NO": 0.8, ">30": 0.1, "<30": 0.1},
    "readmission_risk_30d": 0.1,
    "model_name": "m",
    "model_version": "1",
    "missing": [],
    "timestamp": "2026-11-21T08:00:00Z",
}


def client(handler: Handler, monkeypatch: pytest.MonkeyPatch, retries: int = 2) -> Client:
    monkeypatch.setattr("time.sleep", lambda _: None)
    api = Client("http://api", retries=retries)
    api._http = httpx.Client(base_url="http://api", transport=httpx.MockTransport(handler))
    return api


def answer_batch(request: httpx.Request) -> httpx.Response:
    """Answer a batch as the API does; refuse each record without an age."""
    assert request.headers["content-type"] == "application/json"
    records: list[dict[str, Any]] = json.loads(request.read())["records"]
    problem = {"field": "age", "problem": "missing", "allowed": "x"}
    errors = [{"index": i, "errors": [problem]} for i, record in enumerate(records) if not record]
    predictions = [ANSWER | {"prediction_id": str(record["n"])} for record in records if record]
    content = {"predictions": predictions, "errors": errors, "model_name": "m", "model_version": "1"}
    return httpx.Response(200, json=content)


def test_a_stream_is_asked_in_pages_and_answered_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {0, 999, 1000, 2499}
    records = ({} if n in wrong else {"n": n} for n in range(2500))
    answers = list(client(answer_batch, monkeypatch).predict_stream(records))
    assert {a.index for a in answers if isinstance(a, Refusal)} == wrong
    numbers = [a.index if isinstance(a, Refusal) else int(a.prediction_id) for a in answers]
    assert numbers == list(range(2500))


def test_a_prediction_that_was_sent_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        raise httpx.ReadTimeout("late")

    api = client(handler, monkeypatch)
    for ask in (lambda: api.predict({}), lambda: api.explain({})):
        with pytest.raises(ApiError, match="ReadTimeout"):
            ask()
    assert asked == ["/predict", *["/explain"] * 3]


@pytest.mark.parametrize("value", ["Wed, 21 Oct 2015 07:28:00 GMT", "soon", "", "1"])
def test_any_retry_after_is_read(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    busy = [httpx.Response(503, headers={"retry-after": value})]
    api = client(lambda _: busy.pop() if busy else httpx.Response(200, json=ANSWER), monkeypatch)
    assert isinstance(api.predict({}), Prediction)


def test_a_page_of_another_server_is_an_error_of_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    api = client(lambda _: httpx.Response(200, content=b"<html>"), monkeypatch)
    with pytest.raises(ApiError, match="not one of the API"):
        api.predict({})

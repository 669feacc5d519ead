"""The demo's client: a sentence for every way in which the API can fail."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from serving.demo.client import BusyError, DemoClient, RejectedError, UnavailableError


def client_of(response: httpx.Response) -> DemoClient:
    """Return a client whose API always answers the same."""
    client = DemoClient("http://api")
    client._http = httpx.AsyncClient(base_url="http://api", transport=httpx.MockTransport(lambda _: response))
    return client


def test_unreachable_api_is_a_sentence() -> None:
    with pytest.raises(UnavailableError, match="cannot be reached"):
        asyncio.run(DemoClient("http://127.0.0.1:9").predict({}))


@pytest.mark.parametrize(
    ("status", "body", "error", "sentence"),
    [
        (400, {"errors": [{"field": "age", "problem": "level", "allowed": "x"}]}, RejectedError, "1 field"),
        (401, None, UnavailableError, "credentials"),
        (413, None, UnavailableError, "too large"),
        (503, {"error": "no model"}, UnavailableError, "has no model"),
        (429, None, UnavailableError, "busy"),
        (500, None, UnavailableError, "HTTP 500"),
        (200, None, UnavailableError, "HTTP 200"),
    ],
)
def test_every_status_has_its_sentence(status: int, body: Any, error: type[Exception], sentence: str) -> None:
    content = b"<html>" if body is None else json.dumps(body).encode()
    with pytest.raises(error, match=sentence):
        asyncio.run(client_of(httpx.Response(status, content=content)).predict({}))


def test_busy_api_is_told_apart() -> None:
    with pytest.raises(BusyError):
        asyncio.run(client_of(httpx.Response(429, headers={"retry-after": "1"})).predict({}))


def test_api_without_a_model_is_not_called_busy() -> None:
    answer = httpx.Response(503, json={"error": "no model is loaded yet: train"}, headers={"retry-after": "5"})
    with pytest.raises(UnavailableError, match="has no model yet") as refusal:
        asyncio.run(client_of(answer).predict({}))
    assert not isinstance(refusal.value, BusyError)


def test_batch_of_which_nothing_can_be_scored_is_an_answer() -> None:
    content = {"predictions": [], "errors": [{"index": 0, "errors": []}]}
    assert asyncio.run(client_of(httpx.Response(400, json=content)).predict_batch([{}])) == content


def test_a_card_without_a_spanish_page_comes_in_english() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        is_spanish = request.url.params.get("language") == "es"
        return httpx.Response(404) if is_spanish else httpx.Response(200, text="Model card")

    client = DemoClient("http://api")
    client._http = httpx.AsyncClient(base_url="http://api", transport=httpx.MockTransport(answer))
    assert asyncio.run(client.model_card("es")) == "Model card"

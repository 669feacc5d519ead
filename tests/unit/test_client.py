"""The client retries what may pass, and says at once what will not."""

from collections.abc import Callable

import httpx
import pytest

from readmission.client import ApiError, Client, InvalidError


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr("readmission.client.time.sleep", slept.append)
    return slept


def connected(answer: Callable[[httpx.Request], httpx.Response], retries: int = 2) -> Client:
    api = Client("http://api.test", "key", retries=retries)
    api._http = httpx.Client(base_url="http://api.test", transport=httpx.MockTransport(answer))
    return api


def test_a_busy_api_is_asked_again_after_its_retry_after(naps: list[float]) -> None:
    answers = iter([httpx.Response(503, headers={"retry-after": "3"}), httpx.Response(200, json={"name": "model"})])
    with connected(lambda request: next(answers)) as api:
        assert api.model_info() == {"name": "model"}
    assert naps == [3.0]


def test_an_api_that_stays_away_is_an_error_after_the_retries(naps: list[float]) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with connected(refuse) as api, pytest.raises(ApiError, match="cannot be reached: ConnectError") as caught:
        api.model_info()
    assert caught.value.status is None
    assert len(naps) == 2


def test_an_invalid_record_is_not_asked_again(naps: list[float]) -> None:
    problem = {"field": "age", "problem": "level", "allowed": "one of ..."}
    api = connected(lambda request: httpx.Response(400, json={"errors": [problem]}))
    with pytest.raises(InvalidError, match="age: level") as caught:
        api.predict({"age": "75"})
    assert caught.value.problems[0].field == "age"
    assert naps == []


def test_an_answer_that_is_no_json_is_named_by_its_status() -> None:
    api = connected(lambda request: httpx.Response(404, text="<h1>nginx</h1>"))
    with pytest.raises(ApiError, match="HTTP 404"):
        api.feedback("id", "NO")

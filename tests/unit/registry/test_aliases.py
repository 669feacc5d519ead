"""The alias of the champion, read over HTTP from a registry that answers in every way."""

import traceback
from collections.abc import Callable

import httpx
import pytest

from readmission.registry.aliases import RegistryError, fetch_aliases, fetch_reissue


def client(status: int, content: object = None) -> httpx.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.params["name"] == "model"
        return httpx.Response(status, json=content)

    return httpx.Client(base_url="http://mlflow", transport=httpx.MockTransport(answer))


def test_versions_by_alias_are_texts() -> None:
    aliases = [{"alias": "champion", "version": 3}, {"alias": "challenger", "version": "4"}]
    answer = {"registered_model": {"name": "model", "aliases": aliases}}
    assert fetch_aliases(client(200, answer), "model") == {"champion": "3", "challenger": "4"}


@pytest.mark.parametrize(("status", "content"), [(404, {}), (200, {"registered_model": {"name": "model"}})])
def test_an_unknown_model_or_one_without_aliases_has_none(status: int, content: object) -> None:
    assert fetch_aliases(client(status, content), "model") == {}


@pytest.mark.parametrize(
    ("status", "content"), [(500, {}), (200, {}), (200, []), (200, {"registered_model": {"aliases": [{}]}})]
)
def test_any_other_answer_is_a_sentence(status: int, content: object) -> None:
    with pytest.raises(RegistryError, match="MLflow at http://mlflow"):
        fetch_aliases(client(status, content), "model")


def test_no_answer_is_a_sentence() -> None:
    with httpx.Client(base_url="http://127.0.0.1:9", timeout=1) as http, pytest.raises(RegistryError):
        fetch_aliases(http, "model")


def test_no_sentence_has_the_password_of_the_url() -> None:
    secret = httpx.MockTransport(lambda request: httpx.Response(403))
    http = httpx.Client(base_url="http://svc:top-secret@mlflow", transport=secret)
    with http, pytest.raises(RegistryError, match=r"MLflow at http://mlflow cannot be read \(HTTP 403\)") as caught:
        fetch_aliases(http, "model")
    assert "top-secret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("fetch", [fetch_aliases, fetch_reissue])
def test_the_reason_of_a_failure_is_kept_without_the_address(fetch: Callable[[httpx.Client, str], object]) -> None:
    with pytest.raises(RegistryError) as caught:
        fetch(client(403), "model")
    assert caught.value.reason == "HTTP 403"
    with httpx.Client(base_url="http://127.0.0.1:9", timeout=1) as http, pytest.raises(RegistryError) as caught:
        fetch(http, "model")
    assert caught.value.reason == "ConnectError"

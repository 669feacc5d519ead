"""POST /predict answers by an inline model and by a slow one, and refuses before it scores."""

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message

from readmission import contract
from serving.edge.auth import ApiKeys
from serving.metrics import Metrics
from serving.predict.loaded_models import LoadedModel, LoadedModels
from serving.predict.predictor import Predictor
from serving.routes.predict import Predict

BODY = json.dumps(dict(contract.EXAMPLE)).encode()


class Scorer:
    """Scorer that remembers the thread it was called from."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []

    def score(self, values: Any) -> tuple[float, float, float]:
        self.threads.append(threading.current_thread())
        return 0.2, 0.5, 0.3


def predict(tmp_path: Path, scorer: Any = None, *, inline: bool = True) -> Predict:
    models = LoadedModels(tmp_path, "m")
    if scorer is not None:
        models.champion = LoadedModel(
            name="m", version="1", scorer=scorer, loaded_at="", inline=inline, bands=("",), edges=(), cards={}
        )
    return Predict(Predictor(models, Metrics(tmp_path), None), ApiKeys(None), max_body=5_000, max_waiting=10)


def ask(route: Predict, body: bytes = BODY, method: str = "POST") -> tuple[int, dict[bytes, bytes], Any]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(route({"type": "http", "method": method, "path": "/predict", "headers": []}, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), json.loads(sent[1]["body"])


@pytest.mark.parametrize("inline", [True, False])
def test_a_slow_model_answers_the_same_from_a_thread(tmp_path: Path, inline: bool) -> None:
    scorer = Scorer()
    status, headers, answer = ask(predict(tmp_path, scorer, inline=inline))
    assert (status, answer["prediction"], answer["readmission_risk_30d"]) == (200, ">30", 0.3)
    assert headers[b"x-request-id"] == answer["prediction_id"].encode()
    assert (scorer.threads == [threading.main_thread()]) == inline


def test_refusals_come_before_a_score(tmp_path: Path) -> None:
    scorer = Scorer()
    route = predict(tmp_path, scorer)
    assert ask(route, b"{}")[0] == 400
    assert ask(route, b" " * 6_000)[0] == 413
    status, headers, _ = ask(route, method="GET")
    assert (status, headers[b"allow"]) == (405, b"POST")
    assert scorer.threads == []
    assert ask(predict(tmp_path))[0] == 503


def test_an_unexpected_error_is_answered_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def score(self, values: Any) -> tuple[float, float, float]:
            raise RuntimeError("nobody expected this")

    route = predict(tmp_path, Broken())
    counted: list[tuple[str, str, int]] = []
    monkeypatch.setattr(
        route._predictor.metrics, "request", lambda path, method, code, _: counted.append((path, method, code))
    )
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    with pytest.raises(RuntimeError):  # for the server to log
        asyncio.run(route({"type": "http", "method": "POST", "path": "/predict", "headers": []}, receive, send))
    assert (sent[0]["status"], sent[1]["body"]) == (500, b'{"error":"internal error"}')
    assert counted == [("/predict", "POST", 500)]

"""A few valid records are scored in the event loop; whatever may take longer is left to the thread."""

import asyncio
import json
import threading
from typing import Any

import msgspec
import numpy as np
import pytest

from readmission import contract
from serving.predict import encounter
from serving.predict.batches import ScoredBatch
from serving.predict.loaded_models import LoadedModel
from serving.routes.predict_batch import PredictBatch

VALID = json.dumps(dict(contract.EXAMPLE)).encode()
WRONG = json.dumps({**contract.EXAMPLE, "age": "72"}).encode()


class Scorer:
    """Remembers the thread that it was asked in."""

    def __init__(self) -> None:
        self.threads: set[str] = set()

    def score_many(self, columns: Any) -> Any:
        self.threads.add(threading.current_thread().name)
        return np.full((len(columns[0]), 3), 1 / 3)


def threads(records: list[bytes], monkeypatch: pytest.MonkeyPatch, *, inline: bool = True) -> set[str]:
    """Return the threads in which records were decoded one by one or scored."""
    scorer: Any = Scorer()
    model = LoadedModel(
        name="m", version="3", scorer=scorer, loaded_at="", inline=inline, bands=("",), edges=(), cards={}
    )
    decode = encounter.decode

    def watched(record: Any) -> Any:
        scorer.threads.add(threading.current_thread().name)
        return decode(record)

    monkeypatch.setattr(encounter, "decode", watched)
    predictor: Any = None
    route = PredictBatch(predictor, 1 << 20, 10_000)

    async def score() -> list[ScoredBatch]:
        raw = [msgspec.Raw(record) for record in records]
        return [scored async for scored, _ in route._parts(model, raw)]

    scored = asyncio.run(score())
    assert sum(len(part.inputs) for part in scored) == records.count(VALID)
    return scorer.threads


def test_a_few_valid_records_need_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    assert threads([VALID] * 100, monkeypatch) == {"MainThread"}


@pytest.mark.parametrize("records", [[VALID] * 126, [VALID] * 50 + [WRONG]])
def test_many_records_and_wrong_ones_are_left_to_the_thread(
    records: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {name.partition("_")[0] for name in threads(records, monkeypatch)} == {"batch"}


def test_a_slow_model_is_left_to_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "MainThread" not in threads([VALID], monkeypatch, inline=False)

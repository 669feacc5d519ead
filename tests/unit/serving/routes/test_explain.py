"""An explanation adds up, its largest contribution comes first, and a family without one says so."""

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from readmission import contract
from readmission.scorer.recipe import Attribution
from serving.predict.encounter import Invalid
from serving.routes.explain import Explain
from tests.unit.serving.routes.models import Scorer, predictor


def client(folder: Path, scorer: Any) -> TestClient:
    return TestClient(
        Starlette(routes=[Route("/", Explain(predictor(folder, scorer), 5_000).answer, methods=["POST"])])
    )


def test_contributions_are_ordered_by_their_size(tmp_path: Path) -> None:
    scorer = Scorer(Attribution(unit="log_odds", base=-2.0, contributions={"age": 0.1, "diag_1": -0.5}, margin=-2.4))
    answer = client(tmp_path, scorer).post("/", content=json.dumps(dict(contract.EXAMPLE))).json()
    assert list(answer["contributions"]) == ["diag_1", "age"]
    assert answer["base"] + sum(answer["contributions"].values()) == pytest.approx(answer["margin"])
    assert (answer["unit"], answer["model_version"]) == ("log_odds", "7")


def test_words_that_were_translated_are_named(tmp_path: Path) -> None:
    scorer = Scorer(Attribution(unit="log_odds", base=0.0, contributions={}, margin=0.0))
    body = json.dumps({**contract.EXAMPLE, "change": "yes"})
    assert client(tmp_path, scorer).post("/", content=body).json()["notes"] == ["change was read as 'Ch'"]


def test_a_family_without_contributions_is_refused_by_name(tmp_path: Path) -> None:
    answer = client(tmp_path, Scorer()).post("/", content=json.dumps(dict(contract.EXAMPLE)))
    assert answer.status_code == 501 and "lightgbm" in answer.text


def test_a_record_that_breaks_the_contract_is_not_explained(tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        client(tmp_path, Scorer()).post("/", content=b'{"age": "old"}')

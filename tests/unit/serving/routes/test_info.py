"""Routes for operators and probes say what a worker can do, and what it cannot."""

import os
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from readmission.files import write_atomic
from serving.edge.auth import ApiKeys
from serving.edge.drain import Drain
from serving.predict.aliases import POLLED, Aliases
from serving.predict.loaded_models import POKE
from serving.routes.info import Info
from tests.unit.serving.routes.models import Scorer, predictor


def client(folder: Path, scorer: Any = None, card: bytes = b"", drain: Drain | None = None) -> TestClient:
    info = Info(predictor(folder, scorer, {"html": card} if card else {}), folder, drain or Drain(), ApiKeys(None))
    names = ("live", "ready", "health", "model", "card", "metrics", "openapi")
    routes = [Route(f"/{name}", getattr(info, name)) for name in names]
    return TestClient(Starlette(routes=[*routes, Route("/reload", info.reload, methods=["POST"])]))


def test_without_a_model_the_worker_lives_and_is_not_ready(tmp_path: Path) -> None:
    asked = client(tmp_path)
    assert asked.get("/live").status_code == 200
    assert asked.get("/ready").status_code == 503 and "no model" in asked.get("/ready").text
    assert asked.get("/health").status_code == 503 and asked.get("/health").json()["status"] == "no model"
    assert asked.get("/model").headers["retry-after"] == "5"
    assert asked.get("/card").status_code == 404


def test_a_model_is_described_with_its_card(tmp_path: Path) -> None:
    asked = client(tmp_path, Scorer(), b"<h1>Card</h1>")
    assert asked.get("/ready").status_code == 200
    content = asked.get("/model").json()
    assert (content["model_version"], content["family"], content["prevalence"]) == ("7", "lightgbm", 0.11)
    assert [band["name"] for band in content["risk_bands"]] == ["usual", "high"]
    assert content["registry"]["state"] == "not asked yet"
    assert "<h1>Card</h1>" in asked.get("/card").text
    # A version of an earlier release has the page only.
    earlier = asked.get("/card?format=xml")
    assert earlier.status_code == 404 and "earlier release" in earlier.json()["error"]
    assert asked.get("/card?format=pdf").json()["error"].startswith("format: one of html")
    assert asked.get("/card?language=es").status_code == 404
    for query, allowed in (("language=fr", "en, es for format html"), ("language=es&format=xml", "en for format xml")):
        refused = asked.get(f"/card?{query}")
        assert (refused.status_code, refused.json()["error"]) == (400, f"language: one of {allowed}")
    # The registry was never read: the model serves, and an operator is told.
    assert asked.get("/health").json()["status"] == "degraded"


def test_a_sidecar_that_hangs_is_told(tmp_path: Path) -> None:
    write_atomic(tmp_path / "aliases.json", msgspec.json.encode(Aliases(champion="7", registry="ok", checked_at="t")))
    asked = client(tmp_path, Scorer())
    assert asked.get("/health").json()["status"] == "ok"
    assert asked.get("/model").json()["registry"] == {"state": "ok", "checked_at": "t"}
    (tmp_path / POLLED).touch()
    assert asked.get("/health").json()["status"] == "ok"
    assert asked.get("/model").json()["registry"]["checked_at"].startswith("20")
    os.utime(tmp_path / POLLED, (0, 1_000_000_000))
    health = asked.get("/health").json()
    assert health["status"] == "degraded" and "the sidecar hangs" in health["registry"]
    assert asked.get("/model").json()["registry"]["checked_at"] == "2001-09-09T01:46:40+00:00"


def test_the_page_of_a_card_is_answered_in_spanish(tmp_path: Path) -> None:
    cards = {"html": b"<h1>Card</h1>", "es": "<h1>Ficha de España</h1>".encode()}
    info = Info(predictor(tmp_path, Scorer(), cards), tmp_path, Drain(), ApiKeys(None))
    asked = TestClient(Starlette(routes=[Route("/card", info.card)]))
    assert "Ficha de España" in asked.get("/card?language=es").text
    assert "Card" in asked.get("/card?language=en").text and "Card" in asked.get("/card").text


def test_a_worker_that_ends_is_not_ready(tmp_path: Path) -> None:
    drain = Drain()
    drain.begun = True
    asked = client(tmp_path, Scorer(), drain=drain)
    assert asked.get("/ready").text and asked.get("/ready").status_code == 503
    assert asked.get("/health").json()["status"] == "draining"


def test_metrics_documentation_and_reload(tmp_path: Path) -> None:
    asked = client(tmp_path, Scorer())
    assert "readmission_disk_free_bytes" in asked.get("/metrics").text
    assert asked.get("/openapi").json()["openapi"].startswith("3.")
    assert asked.post("/reload").status_code == 202 and (tmp_path / POKE).exists()

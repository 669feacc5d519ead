"""`readmission status` as text, and without a system."""

from pathlib import Path
from typing import Any

from readmission.embedded import status
from tests.conftest import free_port, make_settings

MODEL = {"name": "m", "version": "3", "family": "lightgbm", "synthetic": True, "metrics": {"test_roc_auc_30": 0.66666}}


def state(**values: Any) -> dict[str, Any]:
    part = {"url": "http://127.0.0.1:1", "pid": 7, "healthy": True}
    batch = {"batch_id": 1, "read": 9, "accepted": 7, "quarantined": 1, "duplicate": 1, "synthetic": True}
    return {"ready": True, "parts": {"api": part}, "batches": [batch], "model": MODEL} | values


def test_text_shows_parts_batches_and_model() -> None:
    text = status.render(state())
    for expected in ("up   api", "(pid 7)", "read 9, accepted 7", "version 3 (lightgbm", "0.667", "SYNTHETIC"):
        assert expected in text
    assert "NOT ready" not in text


def test_text_says_how_many_outcomes_are_immature() -> None:
    batch = {"batch_id": 1, "read": 9, "accepted": 9, "quarantined": 0, "duplicate": 0, "synthetic": False}
    assert "outcome not known yet of 4" in status.render(state(batches=[batch | {"immature": 4}]))
    assert "not known" not in status.render(state(batches=[batch | {"immature": 0}]))


def test_text_says_what_is_down() -> None:
    part = {"url": "http://127.0.0.1:1", "pid": None, "healthy": False}
    text = status.render(state(ready=False, parts={"api": part}, model={}))
    assert "DOWN api" in text
    assert "NOT ready" in text
    assert "model" not in text


def test_without_a_system_nothing_is_ready(tmp_path: Path) -> None:
    ports = {f"{name}_port": free_port() for name in ("postgres", "mlflow", "api", "ui")}
    collected = status.collect(make_settings(tmp_path, **ports))
    assert collected["ready"] is False
    assert collected["batches"] == []
    assert collected["model"] == {}
    assert not any(part["healthy"] or part["pid"] for part in collected["parts"].values())

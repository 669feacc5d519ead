"""The written evaluation."""

import json
from pathlib import Path

import pytest

from readmission.settings import Settings
from readmission.steps import evaluate
from tests.integration.training.conftest import clean


def test_the_evaluation_is_written_to_its_end(system: Settings, sample: Path, tmp_path: Path) -> None:
    config = clean(system, sample, batch_size=400)
    lines = evaluate.run(config, report=tmp_path / "evaluation.md", seeds=2)
    text = (tmp_path / "evaluation.md").read_text()
    for phrase in (
        "folds pooled",
        "forward in time",
        "new patients",
        "10 folds: trained on 90 % of the patients",
        "trained on 3 of the batches",
        "SYNTHETIC",
        "without causal history",
        "reference ensemble",
        "logistic regression",
        "macro F1",
    ):
        assert phrase in text, phrase
    assert "published" not in text  # made-up data is not compared with papers
    numbers = json.loads((tmp_path / "evaluation.json").read_text())
    table, _, newest = text.partition("Calibration at each promotion of the past")
    assert len(numbers) == len(lines) == table.count("\n| ") - 1
    assert newest.count("\n| ") == 1 + 3 * 4 - 1  # a head, and after 2 to 5 batches three lines, without a sixth batch
    headline = numbers["lightgbm, as served, folds pooled"]["roc_auc_30"]
    assert headline["low"] <= headline["value"] <= headline["high"]
    # An indented line says what it changes, where the rows are the same; it is measured on the same resamples.
    changed = numbers["without causal history"]
    forward = numbers["lightgbm, as served, forward in time"]
    assert changed["change_roc_auc_30"]["value"] == pytest.approx(
        changed["roc_auc_30"]["value"] - forward["roc_auc_30"]["value"]
    )
    assert "change_roc_auc_30" not in forward and "change_roc_auc_30" not in numbers["new patients alone"]
    assert "<table" in (tmp_path / "evaluation.html").read_text()
    assert (tmp_path / "evaluation.png").read_bytes().startswith(b"\x89PNG")

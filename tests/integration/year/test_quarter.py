"""A simulated quarter of a hospital on a real system; `make year` lives through the whole year."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(1800)
def test_everything_holds_in_every_week_of_a_quarter(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.year", "--sample", "--scenario", "quarter", "--reports", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"READMISSION_HOME": str(tmp_path)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every invariant held in every week." in done.stdout
    weeks = json.loads((tmp_path / "year.json").read_text())["weeks"]
    assert len(weeks) == 13
    texts = " ".join(text for week in weeks for key in ("events", "promotions") for text in week[key])
    for event in ("to the letter", "other line ends", "late", "broken", "process is killed", "train is killed", "away"):
        assert event in texts, event
    for decision in (
        "promoted 1",
        "promoted 2 (lightgbm) instead of 1 by dr.rivera",
        "rolled back from 2 to 1 by dr.okafor",
    ):
        assert decision in texts, decision
    assert any("of the patients since then only" in text for week in weeks for text in week["decisions"])
    assert not any(week["alarms"] for week in weeks[:7])
    assert weeks[-1]["asked"] > 0
    assert (tmp_path / "year.png").stat().st_size > 10_000

"""A simulated quarter of a hospital on a real system; `make year` lives through the whole year."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

#: Runs of many minutes, which .ci/run leaves out and says so.
LONG = pytest.mark.skipif(not os.environ.get("TEST_YEARS"), reason="takes many minutes: set TEST_YEARS=1")


def live_through(scenario: str, reports: Path, *options: str) -> dict[str, Any]:
    """Live through a scenario, in which everything must hold; return its timeline."""
    reports.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "bench.year", "--sample", "--scenario", scenario, "--reports", str(reports)]
    environment = os.environ | {"READMISSION_HOME": str(reports)}
    done = subprocess.run([*command, *options], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every invariant held in every week." in done.stdout
    timeline: dict[str, Any] = json.loads((reports / "year.json").read_text())
    return timeline


@LONG
@pytest.mark.timeout(1800)
def test_everything_holds_with_a_delivery_a_day(tmp_path: Path) -> None:
    timeline = live_through("opening", tmp_path, "--daily")
    assert timeline["days"] == 1 and len(timeline["weeks"]) == 8
    # Seven deliveries a week; in the week of the broken export one more is refused.
    assert [week["batches"] for week in timeline["weeks"][:1]] == [7]
    assert timeline["weeks"][-1]["champion"] == "1"


@LONG
@pytest.mark.timeout(1800)
def test_the_same_seed_gives_the_same_quarter(tmp_path: Path) -> None:
    assert live_through("quarter", tmp_path / "first") == live_through("quarter", tmp_path / "second")


@pytest.mark.timeout(1800)
def test_everything_holds_in_every_week_of_a_quarter(tmp_path: Path) -> None:
    weeks = live_through("quarter", tmp_path)["weeks"]
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

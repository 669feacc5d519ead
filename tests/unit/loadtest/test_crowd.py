"""The crowd: what this project's generator refuses, and the tables that it leaves."""

import csv
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from loadtest import crowd, profiles
from loadtest.result import summarise
from readmission.errors import UserError
from tests.unit.loadtest.runs import SUMMARY


@pytest.mark.parametrize("changes", [{"mix": profiles.Mix(predict=9, batch=1)}, {"stages": []}])
def test_only_one_stage_of_single_predictions_is_run(tmp_path: Path, changes: dict[str, object]) -> None:
    profile = msgspec.structs.replace(profiles.read_profile("ten-thousand"), **changes)
    with pytest.raises(UserError, match=r"Profile mine: .* Use Locust"):
        crowd.run("mine", profile, "http://127.0.0.1:1", tmp_path, "")


def test_tables_have_the_columns_of_locust(tmp_path: Path) -> None:
    crowd._write_tables(tmp_path, "mine", SUMMARY, ["p95 of 20 ms is above 19 ms"])
    with (tmp_path / "locust_stats.csv").open() as lines:
        predict, total = csv.DictReader(lines)
    assert (predict["Name"], total["Name"]) == ("/predict", "Aggregated")
    assert (total["Request Count"], total["95%"]) == ("1000", "20.0")
    assert "FAIL: p95 of 20 ms is above 19 ms." in (tmp_path / "report.html").read_text()


def test_a_moment_is_the_window_and_what_the_api_used() -> None:
    window = summarise(10, [0.002] * 50, Counter({200: 50, 500: 10}), 0)
    moment = crowd._moment(7, window, 30, (1.5, 200.0))
    assert (moment.second, moment.users, moment.requests_per_second, moment.failures_per_second) == (7, 30, 5.0, 1.0)
    assert (moment.api_cpu, moment.api_memory_mb) == (1.5, 200.0)
    assert crowd._moment(7, window, 30, None).api_memory_mb is None

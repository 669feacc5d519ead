"""The command of a simulated year: its options, its exit code."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.year import command
from bench.year.plan import Plan
from bench.year.scenario import QUARTER
from bench.year.timeline import Week
from tests.unit.bench.year.test_plan import ROWS

END = datetime(2024, 1, 8, tzinfo=UTC)


def test_it_helps(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])
    assert ended.value.code == 0
    assert "--daily" in capsys.readouterr().out


def test_a_violation_is_named_with_its_week_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = Plan(ROWS, QUARTER, seed=7)
    weeks = [Week(number=1, end=END), Week(number=2, end=END, violations=["rows_add_up: no"])]
    assert command.conclude(plan, weeks, tmp_path, "1 s: train 1") == 1
    assert "NOT everything held:\nweek 2: rows_add_up: no" in capsys.readouterr().out
    assert command.conclude(plan, weeks[:1], tmp_path, "1 s: train 1") == 0
    assert "Every invariant held in every week." in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"year.json", "year.png"}


def test_invented_encounters_are_always_the_same() -> None:
    small = replace(QUARTER, encounters=150)
    rows = command.invent_rows(small)
    assert len(rows) == 150
    assert rows.equals(command.invent_rows(small))

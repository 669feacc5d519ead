"""The course of a simulated year: what happens once, and when."""

from datetime import UTC, datetime

from bench.year.plan import Plan
from bench.year.scenario import QUARTER
from bench.year.simulation import Year
from bench.year.timeline import Week
from tests.unit.bench.year.test_plan import ROWS


def in_week(number: int) -> Year:
    year = Year(None, Plan(ROWS, QUARTER, seed=7), None, print)  # type: ignore[arg-type]
    year.state.week = Week(number=number, end=datetime(2024, 1, 8, tzinfo=UTC))
    return year


def test_an_event_comes_once_in_its_week() -> None:
    year = in_week(5)
    assert not year.is_due("outage", 6)
    assert year.is_due("outage", 5)
    assert not year.is_due("outage", 5)
    assert not year.is_due("worse", 4)


def test_an_event_that_needs_something_waits_for_it() -> None:
    assert in_week(9).is_due("rollback", 5, later=True)
    assert not in_week(4).is_due("rollback", 5, later=True)


def test_an_event_of_week_0_never_comes() -> None:
    assert not in_week(1).is_due("worse", 0, later=True)

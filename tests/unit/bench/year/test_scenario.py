"""The calendar of a simulated year."""

from datetime import UTC, datetime

from bench.year.scenario import OPENING, SCENARIOS, START, WEEK, YEAR, week_of


def test_drift_begins_in_the_eighth_month() -> None:
    assert week_of(datetime(2024, 8, 1, tzinfo=UTC)) == YEAR.drift


def test_weeks_are_counted_from_one() -> None:
    assert week_of(START) == 1
    assert week_of(START + WEEK) == 2


def test_every_event_happens_within_its_scenario() -> None:
    for scenario in SCENARIOS.values():
        weeks = [
            value
            for value in vars(scenario).values()
            if isinstance(value, int) and value not in (0, scenario.learnable, scenario.encounters)
        ]
        assert max(weeks) == scenario.weeks
        assert max(*scenario.late, *scenario.silent, *scenario.partial) < scenario.weeks
        # The opening ends before an alarm is due.
        assert scenario is OPENING or scenario.drift + scenario.detect <= scenario.weeks

"""Opening hours and availability as functions of the clock."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from readmission.feed.schedule import Schedule, Window

MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
ZONES = st.sampled_from(["America/Lima", "Europe/Berlin", "Asia/Kathmandu", "UTC"]).map(ZoneInfo)
TIMES = st.times(timezones=st.none()).map(lambda t: t.replace(second=0, microsecond=0))


@given(TIMES, TIMES, ZONES, MOMENTS)
def test_the_next_opening_is_ahead_within_a_day_and_at_the_stated_hour(
    opens: time, closes: time, zone: ZoneInfo, now: datetime
) -> None:
    opening = Window(opens, closes, zone).next_opening(now)
    # A day has 25 hours when the clocks go back.
    assert timedelta(0) < opening - now <= timedelta(hours=25)
    assert opening.time() == opens


def test_a_window_holds_its_start_and_not_its_end_also_over_midnight() -> None:
    day = Window(time(9), time(23, 55), ZoneInfo("America/Lima"))
    at = lambda hour, minute: datetime(2026, 3, 2, hour, minute, tzinfo=ZoneInfo("America/Lima"))  # noqa: E731
    assert [day.is_open(at(*t)) for t in [(8, 59), (9, 0), (23, 54), (23, 55)]] == [False, True, True, False]
    night = Window(time(22), time(6), ZoneInfo("America/Lima"))
    assert [night.is_open(at(*t)) for t in [(21, 59), (22, 0), (5, 59), (6, 0)]] == [False, True, True, False]
    assert Window.parse(" ", "nowhere") is None


@given(MOMENTS, st.integers(1, 9), st.integers(1, 3600), st.integers(-1000, 40_000))
def test_a_batch_is_available_from_its_moment_on(started: datetime, total: int, seconds: int, later: int) -> None:
    schedule = Schedule(started, timedelta(seconds=seconds), total)
    now = started + timedelta(seconds=later)
    assert schedule.available(now) == sum(schedule.available_at(n) <= now for n in range(1, total + 1))


def test_without_an_interval_everything_is_there() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert Schedule(now, timedelta(0), 7).available(now) == 7

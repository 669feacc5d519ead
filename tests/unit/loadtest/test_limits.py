"""The limits: each breaks on its own side, and a run without answers never passes."""

import msgspec
import pytest

from loadtest import limits
from loadtest.profiles import Limits
from tests.unit.loadtest.runs import SUMMARY, moment


@pytest.mark.parametrize(
    ("field", "limit", "sentence"),
    [
        ("p95_ms", 19.0, "p95 of 20 ms is above 19 ms"),
        ("p99_ms", 39.0, "p99 of 40 ms is above 39 ms"),
        ("requests_per_second", 101.0, "100.0 requests a second are fewer than 101.0"),
        ("users", 101, "100 users carried are fewer than 101"),
    ],
)
def test_each_limit_breaks_with_its_sentence_and_holds_at_its_value(field: str, limit: float, sentence: str) -> None:
    measured = getattr(SUMMARY, field)
    assert limits.breaches(msgspec.convert({field: limit}, Limits), SUMMARY, []) == [sentence]
    assert limits.breaches(msgspec.convert({field: measured}, Limits), SUMMARY, []) == []


def test_one_failure_breaks_a_limit_of_none() -> None:
    failed = msgspec.structs.replace(SUMMARY, failures=1)
    assert limits.breaches(Limits(error_ratio=0.0), SUMMARY, []) == []
    assert limits.breaches(Limits(error_ratio=0.0), failed, []) == ["a share of 0.10% failed requests is above 0.00%"]


def test_a_run_without_an_answer_never_passes() -> None:
    assert limits.breaches(Limits(), msgspec.structs.replace(SUMMARY, requests=0), []) == [
        "no request was answered at all"
    ]


def test_memory_is_judged_from_the_first_minute_on() -> None:
    moments = [moment(s, api_memory_mb=mb) for s, mb in ((10, 100.0), (60, 200.0), (90, 230.0))]
    assert limits.memory_growth(moments) == 30
    assert len(limits.breaches(Limits(memory_growth_mb=29), SUMMARY, moments)) == 1
    assert limits.breaches(Limits(memory_growth_mb=29), SUMMARY, [moment()]) == [], "nothing seen, nothing judged"


def test_carried_users_are_those_of_moments_within_the_limits() -> None:
    moments = [moment(users=100), moment(users=200), moment(users=400, p95_ms=600.0)]
    assert limits.carried(Limits(p95_ms=500), moments) == 200


@pytest.mark.parametrize(
    ("changes", "breaks"),
    [
        ({}, False),
        ({"p95_ms": 501.0}, True),
        ({"p99_ms": 1001.0}, True),
        ({"failures_per_second": 0.5}, False),
        ({"failures_per_second": 0.6}, True),
    ],
)
def test_a_moment_ends_a_search_when_it_breaches(changes: dict[str, float], breaks: bool) -> None:
    assert limits.broken(Limits(p95_ms=500, p99_ms=1000, error_ratio=0.01), moment(**changes)) is breaks

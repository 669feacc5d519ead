"""The result of a run: percentiles, rate and failures."""

from collections import Counter

from loadtest.result import summarise


def test_percentiles_are_those_of_the_sorted_answers_in_milliseconds() -> None:
    latencies = [number / 1000 for number in range(100, 0, -1)]
    result = summarise(2.0, latencies, Counter({200: 100}), 0)
    assert (result.p50_ms, result.p95_ms, result.p99_ms, result.worst_ms) == (51.0, 96.0, 100.0, 100.0)
    assert (result.answered, result.per_second, result.failed) == (100, 50.0, 0)


def test_refusals_and_broken_connections_fail() -> None:
    result = summarise(1.0, [0.001], Counter({503: 2, 200: 1}), 3)
    assert (result.answered, result.failed, result.broken) == (1, 5, 3)
    assert result.statuses == {"200": 1, "503": 2}


def test_a_run_without_an_answer_has_no_latency() -> None:
    result = summarise(1.0, [], Counter(), 4)
    assert (result.answered, result.failed, result.per_second, result.worst_ms) == (0, 4, 0.0, 0.0)

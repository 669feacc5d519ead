"""When decisions are made in a simulated week."""

from datetime import UTC, datetime, timedelta

from bench.year.decisions import Decisions

END = datetime(2024, 1, 8, tzinfo=UTC)


def test_a_batch_waits_two_hours_before_it_asks_for_training() -> None:
    waited = Decisions._at("retrain", END) - Decisions._at("process", END)
    assert waited > timedelta(hours=2)


def test_the_steps_run_in_the_order_of_the_dags() -> None:
    verbs = ("ingest", "process", "score", "monitor", "outcomes", "retrain", "train", "judge")
    moments = [Decisions._at(verb, END) for verb in verbs]
    assert moments == sorted(set(moments))

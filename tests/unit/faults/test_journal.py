"""Acknowledged, refused and indeterminate requests, counted against what is stored."""

import pytest

from faults.journal import Journal, Request, sentence_of


def request(name: str, began: float, status: int | None, answer: str = "") -> Request:
    return Request(
        name=name,
        began=began,
        ended=began + 0.1,
        status=status,
        sentence="" if status == 200 else "busy",
        answer=(0, "1", answer) if answer else None,
    )


def test_only_what_was_acknowledged_can_be_lost() -> None:
    journal = Journal([request("a", 0, 200), request("b", 1, 200), request("c", 2, 503), request("d", 3, None)])
    count = journal.count({"a": 1, "d": 1})
    assert (count.acknowledged, count.lost, count.repeated, count.recovered) == (2, ["b"], [], 1)


def test_what_is_stored_twice_is_found() -> None:
    assert Journal([request("a", 0, 200)]).count({"a": 2}).repeated == ["a"]


def test_answers_fail_from_a_failed_request_to_the_next_answer() -> None:
    journal = Journal([request("a", 0, 200), request("b", 1, None), request("c", 2, 503), request("d", 3, 200)])
    assert journal.failing_seconds() == pytest.approx(2.1)
    assert Journal([request("a", 0, 200)]).failing_seconds() == 0
    assert Journal([request("a", 0, 200), request("b", 1, 503)]).failing_seconds() == pytest.approx(0.1)


def test_what_the_user_saw_is_said_in_their_words() -> None:
    assert Journal().saw() == "no request was sent"
    assert Journal([request("a", 0, 200)]).saw() == "nothing: all 1 requests were answered"
    assert Journal([request("a", 0, 200), request("b", 1, 503)]).saw() == "1 answers; 1 × “503 busy”"
    assert sentence_of(b'{"error": "no model"}') == "no model"
    assert sentence_of(b"<html>") == "<html>"


def test_an_answer_that_its_model_does_not_give_is_wrong() -> None:
    journal = Journal([request("a", 0, 200, "[0.1]"), request("b", 1, 200, "[0.2]")])
    assert journal.wrong({(0, "1"): "[0.1]"}) == ["b"]
    assert journal.versions() == {"1"}

"""What people did after an estimate: what is read, what is kept on disk, what is refused."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from readmission.fhir.resources import NotUsableError
from serving.clinic import events

CARD = "019a3f5e-8c1d-7b52-9d7e-3f0c5a6b7c8d"
ITEM = {"card": CARD, "outcome": "overridden", "outcomeTimestamp": "2026-11-20T08:00:00Z"}


def read(*items: dict[str, Any]) -> list[events.CardFeedback]:
    return events.read_feedback(json.dumps({"feedback": items}).encode())


def test_reasons_and_comments_of_either_spelling_are_kept() -> None:
    reason = {"reason": {"code": "disagree", "system": "s"}, "userComment": "a\u0000b"}
    plural = {"userComments": "c" * 5000}
    first, second, third = read(
        {**ITEM, "overrideReason": reason},
        {**ITEM, "overrideReason": plural},
        {**ITEM, "outcome": "accepted", "acceptedSuggestions": [{"id": "x"}]},
    )
    assert (first.reason, first.comment) == ("disagree", "ab")
    assert (second.reason, len(second.comment)) == ("", 1000)
    assert (third.outcome, third.acted_at) == ("accepted", datetime(2026, 11, 20, 8, tzinfo=UTC))


@pytest.mark.parametrize(
    "change",
    [
        {"card": "5"},
        {"outcome": "ignored"},
        {"outcome": "accepted"},
        {"outcomeTimestamp": "2026-11-20T08:00:00"},
        {"outcomeTimestamp": 5},
    ],
)
def test_feedback_that_breaks_the_standard_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(NotUsableError):
        read({**ITEM, **change})
    with pytest.raises(NotUsableError):
        events.read_feedback(b'{"feedback": []}')


def test_an_event_comes_back_from_its_file(tmp_path: Path) -> None:
    follow_up = events.read_follow_up(json.dumps({"prediction_id": CARD, "action": "called"}).encode())
    both: list[events.Event] = [*read(ITEM), follow_up]
    for event in both:
        events.write_event(tmp_path / "new", event)
    kept = [events.read_event(path) for path in (tmp_path / "new").iterdir()]
    assert {type(event) for event in kept} == {events.CardFeedback, events.FollowUp}
    for body in (b"{}", b'{"prediction_id": "5", "action": "called"}', b"[" * 100_000):
        with pytest.raises(NotUsableError):
            events.read_follow_up(body)

"""What people did after an estimate: with a card, or with a discharge on the list. Kept on disk until it is stored."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from uuid import uuid4

import msgspec
from msgspec import Meta, Struct

from readmission.fhir.resources import UNREADABLE, Issue, NotUsableError
from readmission.files import write_atomic
from serving.prediction_log.ids import moment

Action = Literal["called", "visit booked", "not reached"]
ACTIONS: tuple[Action, ...] = get_args(Action)
#: Longest reason and comment that are kept, in characters.
_LONGEST = 1_000
_MOST = 1_000


class CardFeedback(Struct, frozen=True, kw_only=True, tag="card"):
    """What a clinician did with a card. It is never an outcome of the patient.

    Attributes:
        prediction_id: The prediction, which is the card's uuid.
        outcome: ``accepted`` or ``overridden``.
        reason: Code of the reason; empty if none was given.
        comment: What the clinician wrote; empty if nothing.
        acted_at: When.
        received_at: When the API learnt of it.
    """

    prediction_id: str
    outcome: str
    reason: str
    comment: str
    acted_at: datetime
    received_at: datetime


class FollowUp(Struct, frozen=True, tag="follow-up"):
    """What the follow-up team did about a discharge."""

    prediction_id: str
    action: str
    noted_at: datetime
    received_at: datetime


Event = CardFeedback | FollowUp
_decode_event = msgspec.json.Decoder(CardFeedback | FollowUp).decode


class _Code(Struct, frozen=True):
    code: str = ""


class _Reason(Struct, frozen=True, rename="camel"):
    reason: _Code = _Code()
    user_comment: str = ""
    # CDS Hooks 1.1 and some record systems write it in the plural.
    user_comments: str = ""


class _Suggestion(Struct):
    id: str


class _Feedback(Struct, kw_only=True, rename="camel"):
    card: str
    outcome: Literal["accepted", "overridden"]
    outcome_timestamp: Annotated[datetime, Meta(tz=True)]
    accepted_suggestions: list[_Suggestion] = []
    override_reason: _Reason = _Reason()


class _Body(Struct):
    feedback: Annotated[list[_Feedback], Meta(min_length=1, max_length=_MOST)]


class _FollowUpBody(Struct, forbid_unknown_fields=True):
    prediction_id: str
    action: Action


_decode_feedback = msgspec.json.Decoder(_Body).decode
_decode_follow_up = msgspec.json.Decoder(_FollowUpBody).decode


def read_feedback(body: bytes) -> list[CardFeedback]:
    """Read the body of CDS Hooks' feedback.

    Raises:
        NotUsableError: It does not follow the standard, or a card is not one of this service.
    """
    now = datetime.now(UTC)
    items = _decoded(_decode_feedback, body).feedback
    issues = []
    for index, item in enumerate(items):
        if moment(item.card) is None:
            issues.append(Issue("value", f"feedback[{index}].card", "the uuid of a card of this service"))
        if item.outcome == "accepted" and not item.accepted_suggestions:
            issues.append(Issue("required", f"feedback[{index}].acceptedSuggestions", "the suggestions accepted"))
    if issues:
        raise NotUsableError(issues)
    return [
        CardFeedback(
            prediction_id=item.card,
            outcome=item.outcome,
            reason=_kept(item.override_reason.reason.code),
            comment=_kept(item.override_reason.user_comment or item.override_reason.user_comments),
            acted_at=item.outcome_timestamp,
            received_at=now,
        )
        for item in items
    ]


def read_follow_up(body: bytes) -> FollowUp:
    """Read what was done about one discharge.

    Raises:
        NotUsableError: It names no prediction, or an action that is not one of ACTIONS.
    """
    item = _decoded(_decode_follow_up, body)
    if moment(item.prediction_id) is None:
        raise NotUsableError([Issue("value", "prediction_id", "the prediction_id of a discharge on the list")])
    now = datetime.now(UTC)
    return FollowUp(item.prediction_id, item.action, now, now)


def _decoded(decode: Any, body: bytes) -> Any:
    try:
        return decode(body)
    except UNREADABLE as error:
        where = str(error).partition(" - at ")[2].strip("`") if isinstance(error, msgspec.ValidationError) else ""
        text = "the fields that docs/clinic.md names, in JSON"
        raise NotUsableError([Issue("structure", where or "request", text)]) from None


def _kept(text: str) -> str:
    """Return what is kept of a text; PostgreSQL takes no zero character."""
    return text.replace("\0", "")[:_LONGEST]


def write_event(folder: Path, event: Event) -> None:
    """Keep an event in a file until it is in the database.

    Raises:
        OSError: The disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / f"{uuid4()}.json", msgspec.json.encode(event), sync=True)


def read_event(path: Path) -> Event:
    """Read the file of an event.

    Raises:
        msgspec.DecodeError: The content is not one.
    """
    event: Event = _decode_event(path.read_bytes())
    return event

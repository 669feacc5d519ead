"""Batches take turns: two score, sixteen wait, the next is refused, and bodies in memory are bounded."""

import asyncio
from collections.abc import Sequence

import pytest
from starlette.types import Message, Receive

from serving.edge import turns
from serving.edge.turns import Turns
from serving.http import Refused


def receiver(*parts: bytes) -> Receive:
    messages: Sequence[Message] = [
        {"type": "http.request", "body": part, "more_body": number < len(parts)} for number, part in enumerate(parts, 1)
    ]
    pending = iter(messages)

    async def receive() -> Message:
        return next(pending)

    return receive


def test_the_third_batch_waits_and_is_refused_when_no_turn_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 0.05)

    async def scenario() -> None:
        taken = Turns(100)
        async with taken.first(), taken.first():
            with pytest.raises(Refused):
                await taken.first().__aenter__()
        async with taken.first():
            pass

    asyncio.run(scenario())


def test_more_than_can_wait_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "WAITING", 0)
    with pytest.raises(Refused):
        Turns(100).check()


def test_bodies_are_counted_while_they_are_in_memory() -> None:
    async def scenario() -> None:
        held = Turns(100)
        async with held.body(receiver(b"x" * 60, b"y" * 40)) as first, held.body(receiver(b"z" * 100)) as second:
            assert (len(first), len(second)) == (100, 100)
            with pytest.raises(Refused):
                await held.body(receiver(b"one byte too many")).__aenter__()
        async with held.body(receiver(b"again")) as body:
            assert body == b"again"

    asyncio.run(scenario())

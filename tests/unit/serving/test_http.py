"""Bodies with a limit, and ids that are safe to repeat."""

import asyncio

import pytest
from starlette.types import Message

from serving import http


def body(*pieces: bytes, limit: int) -> bytes:
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Message:
        return messages.pop(0)

    return asyncio.run(http.whole_body(receive, limit))


def test_a_body_may_be_as_large_as_its_limit_and_no_larger() -> None:
    assert body(b"ab", b"cd", limit=4) == b"abcd"
    with pytest.raises(http.Refused) as refused:
        body(b"ab", b"cde", limit=4)
    assert refused.value.response.status_code == 413 and refused.value.reason == "size"


@pytest.mark.parametrize(("sent", "repeated"), [(b"a-1", b"a-1"), (b"a" * 65, b""), (b"a\nb", b""), (b"<a>", b"")])
def test_only_a_short_plain_id_is_repeated(sent: bytes, repeated: bytes) -> None:
    assert http.request_id([(b"x-request-id", sent)]) == repeated

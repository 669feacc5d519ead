"""The little of HTTP that the API needs: replies, bodies with limits, request ids."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from typing import Any, NamedTuple

import msgspec

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

#: On every answer. Pages override the content security policy.
SECURITY: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
NOTHING_LOADS: Header = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
#: The head of every JSON answer.
JSON: tuple[Header, ...] = ((b"content-type", b"application/json"), *SECURITY, NOTHING_LOADS)
_BODY_SECONDS = 30.0
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")


class Reply(NamedTuple):
    """Hold a whole answer."""

    status: int
    body: bytes
    headers: tuple[Header, ...] = JSON


class Refused(Exception):  # noqa: N818 - an answer
    """End a request with a reply."""

    def __init__(self, reply: Reply, reason: str) -> None:
        super().__init__(reason)
        self.reply = reply
        self.reason = reason


def reply(status: int, content: object, *more: Header) -> Reply:
    """Return a JSON reply."""
    return Reply(status, msgspec.json.encode(content), (*JSON, *more))


def sentence(status: int, text: str, *more: Header) -> Reply:
    """Return a reply that says in one sentence what is wrong."""
    return reply(status, {"error": text}, *more)


def too_large(limit: int) -> Refused:
    """Return the answer to a body above its limit; the connection ends, the rest is not read."""
    text = f"the body is larger than {limit:,} bytes"
    return Refused(sentence(413, text, (b"connection", b"close")), "size")


async def send_reply(send: Send, answer: Reply, request_id: bytes = b"") -> None:
    """Send a whole answer."""
    headers = [*answer.headers, (b"content-length", b"%d" % len(answer.body))]
    if request_id:
        headers.append((b"x-request-id", request_id))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def send_stream(
    send: Send,
    content_type: bytes,
    chunks: AsyncIterator[bytes],
    request_id: bytes,
    last_line: Callable[[str], bytes],
) -> None:
    """Send an answer piece by piece; a refusal on the way becomes its last line, since 200 has been said."""
    headers = [(b"content-type", content_type), *SECURITY, NOTHING_LOADS, (b"x-request-id", request_id)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    end = b""
    try:
        async for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except Refused as refused:
        end = last_line(msgspec.json.decode(refused.reply.body)["error"])
    await send({"type": "http.response.body", "body": end})


async def chunks_of(receive: Receive) -> AsyncIterator[bytes]:
    """Yield the pieces of a body as they come; a piece must come within 30 seconds.

    Raises:
        Refused: the client is too slow (408) or gone.
    """
    while True:
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                message = await receive()
        except TimeoutError:
            text = "the body did not arrive in time"
            raise Refused(sentence(408, text, (b"connection", b"close")), "slow") from None
        if message["type"] == "http.disconnect":
            raise Refused(sentence(400, "the client went away"), "gone")
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


async def whole_body(receive: Receive, limit: int, first: bytes = b"") -> bytes:
    """Return a body of at most `limit` bytes, in at most 30 seconds altogether.

    Raises:
        Refused: it is larger (413), too slow (408) or was cut off.
    """
    parts, size = [first], len(first)
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in chunks_of(receive):
                size += len(chunk)
                if size > limit:
                    raise too_large(limit)
                parts.append(chunk)
    except TimeoutError:
        raise Refused(sentence(408, "the body did not arrive in time", (b"connection", b"close")), "slow") from None
    return b"".join(parts)


def request_id(headers: Iterable[Header]) -> bytes:
    """Return the client's x-request-id when it is short and plain, else nothing."""
    for name, value in headers:
        if name == b"x-request-id":
            return value if _REQUEST_ID.fullmatch(value) else b""
    return b""


def header(headers: Iterable[Header], wanted: bytes) -> bytes:
    """Return one header's value, or nothing."""
    return next((value for name, value in headers if name == wanted), b"")

"""HTTP beyond Starlette: refusals, common headers, bodies with limits, streams that read while they write."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping

import msgspec
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

Header = tuple[bytes, bytes]

#: Headers of every answer.
SECURITY: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
#: Header of every answer that does not bring its own, as pages do.
NOTHING_LOADS: Header = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
#: All headers of a JSON answer but its length.
JSON: tuple[Header, ...] = ((b"content-type", b"application/json"), *SECURITY, NOTHING_LOADS)
_BODY_SECONDS = 30.0
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")


class JsonResponse(Response):
    """JSON answer, encoded by msgspec."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """Encode the content."""
        return msgspec.json.encode(content)


class Sentence(msgspec.Struct):
    """Statement of what is wrong."""

    error: str


class Refused(Exception):  # noqa: N818 - an answer
    """Refusal of a request.

    Attributes:
        response: What the client gets. It may be sent any number of times.
        reason: Label of the metric that counts refusals.
    """

    def __init__(self, response: Response, reason: str) -> None:
        super().__init__(reason)
        self.response = response
        self.reason = reason


class StreamResponse:
    """Answer that is sent while the body of its request is still being read.

    Starlette's `StreamingResponse` listens for a disconnect at the same time, which would consume the body.

    Args:
        content_type: Content type of the answer.
        chunks: Pieces of the answer.
        last_line: Turns a refusal on the way into the last line, since status 200 has been sent by then.
    """

    def __init__(self, content_type: str, chunks: AsyncIterator[bytes], last_line: Callable[[str], bytes]) -> None:
        self._headers = [(b"content-type", content_type.encode("latin-1"))]
        self._chunks = chunks
        self._last_line = last_line

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the pieces as they are made."""
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        end = b""
        try:
            async for chunk in self._chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except Refused as refused:
            end = self._last_line(msgspec.json.decode(refused.response.body)["error"])
        await send({"type": "http.response.body", "body": end})


def sentence(status: int, text: str, headers: Mapping[str, str] | None = None) -> JsonResponse:
    """Return an answer that states in one sentence what is wrong."""
    return JsonResponse(Sentence(text), status, headers)


def too_large(limit: int) -> Refused:
    """Return the refusal of a body above its limit; the connection is closed and the rest is not read."""
    return Refused(sentence(413, f"the body is larger than {limit:,} bytes", {"connection": "close"}), "size")


def too_slow() -> Refused:
    """Return the refusal of a body that does not arrive in time."""
    return Refused(sentence(408, "the body did not arrive in time", {"connection": "close"}), "slow")


def gone() -> Refused:
    """Return the refusal of a request whose client has left; nobody receives it."""
    return Refused(sentence(400, "client disconnected"), "gone")


def with_common_headers(send: Send, request_id: bytes) -> Send:
    """Return a `send` that adds the security headers and the client's request id, if it sent one."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message["headers"], *SECURITY]
            if not header(headers, NOTHING_LOADS[0]):
                headers.append(NOTHING_LOADS)
            if request_id:
                headers.append((b"x-request-id", request_id))
            message["headers"] = headers
        await send(message)

    return send_with_headers


async def chunks_of(receive: Receive) -> AsyncIterator[bytes]:
    """Yield the pieces of a body as they come; a piece must come within 30 seconds.

    Raises:
        Refused: The client is too slow (408) or has disconnected.
    """
    while True:
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                message = await receive()
        except TimeoutError:
            raise too_slow() from None
        if message["type"] == "http.disconnect":
            raise gone()
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


async def whole_body(receive: Receive, limit: int, first: bytes = b"") -> bytes:
    """Return a body of at most `limit` bytes, received in at most 30 seconds altogether.

    Args:
        receive: Source of the body's pieces.
        limit: Largest body in bytes.
        first: Pieces that have been received already.

    Raises:
        Refused: The body is larger (413), too slow (408) or was cut off.
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
        raise too_slow() from None
    return b"".join(parts)


def request_id(headers: Iterable[Header]) -> bytes:
    """Return the client's x-request-id if it is short and plain, else nothing."""
    # A plain loop: every prediction comes through here, and a generator would double its cost.
    for name, value in headers:
        if name == b"x-request-id":
            return value if _REQUEST_ID.fullmatch(value) else b""
    return b""


def header(headers: Iterable[Header], name: bytes) -> bytes:
    """Return the first value of a header, or nothing."""
    return next((value for key, value in headers if key == name), b"")

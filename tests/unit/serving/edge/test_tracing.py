"""What is not traced passes through as it is; tests/integration/api/test_tracing.py has the spans."""

import asyncio

from starlette.types import Message, Receive, Scope, Send

from serving.edge.tracing import Traced


async def inner(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
    await send({"type": "http.response.body", "body": b"x"})


def sent(path: str) -> list[Message]:
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    scope = {"type": "http", "path": path, "method": "POST", "headers": []}
    asyncio.run(Traced(inner, {"/predict"})(scope, receive, send))
    return messages


def test_a_probe_is_not_traced() -> None:
    assert sent("/livez")[0]["headers"] == [(b"a", b"b")]

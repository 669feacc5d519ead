"""During a drain every answer closes its connection."""

import asyncio
import threading

from starlette.types import Message

from serving.edge.drain import Drain, closing


def test_an_answer_carries_connection_close() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def answer() -> None:
        await closing(send)({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
        await closing(send)({"type": "http.response.body", "body": b"x"})

    asyncio.run(answer())
    assert sent[0]["headers"] == [(b"a", b"b"), (b"connection", b"close")]
    assert sent[1] == {"type": "http.response.body", "body": b"x"}


def test_another_thread_leaves_the_signals_alone() -> None:
    drain, loop = Drain(), asyncio.new_event_loop()
    thread = threading.Thread(target=drain.on_signals, args=(loop, 0.1))
    thread.start()
    thread.join()
    loop.close()
    assert not drain.begun

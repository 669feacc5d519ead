"""During a drain every answer closes its connection."""

import asyncio
import signal
import subprocess
import sys
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


#: A server that is asked to end by its own startup, before it listens.
STARTING = """
import asyncio, os, signal, uvicorn
from serving.edge.drain import Drain

async def app(scope, receive, send):
    await receive()
    Drain().on_signals(asyncio.get_running_loop(), 0.1)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0.05)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})

uvicorn.run(app, host="127.0.0.1", port=0, lifespan="on")
"""


def test_a_server_that_does_not_listen_yet_ends_as_well() -> None:
    done = subprocess.run([sys.executable, "-c", STARTING], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == -signal.SIGTERM, done.stderr
    assert "Exception" not in done.stderr

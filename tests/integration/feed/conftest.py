"""A feed over a real socket, and a network in front of it that can be told to misbehave."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvicorn

from readmission import contract
from readmission.data.sources import FileSource
from readmission.feed.app import Feed
from readmission.feed.chunks import Chunks

SIZE = 100


def rows(count: int) -> bytes:
    """A table of the contract with one line that is no row (number 150)."""
    lines = [",".join(contract.COLUMN_NAMES)]
    lines += [",".join(f"{name[:3]}{i}" for name in contract.COLUMN_NAMES) for i in range(1, count + 1)]
    lines[150] = "too,short"
    return ("\n".join(lines) + "\n").encode()


@dataclass
class Clock:
    now: datetime = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Running:
    feed: Feed
    source: FileSource
    url: str
    clock: Clock


@contextlib.contextmanager
def serve(feed: Feed) -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(feed.app(), log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    source = FileSource("rows.csv", rows(330), SIZE)
    clock = Clock()
    chunks = Chunks.cut(source, tmp_path / "feed", SIZE)
    memory = tmp_path / "feed" / "started"
    feed = Feed(chunks=chunks, batch_size=SIZE, token="secret", memory=memory, clock=clock)
    with serve(feed) as url:
        yield Running(feed, source, url, clock)


@dataclass
class Network:
    """A TCP relay: `damage` gets each answer's bytes and the answer's number, and returns what arrives.

    Bytes that it takes away are followed by the end of the connection.
    """

    port: int
    damage: Callable[[bytes, int], bytes] = lambda data, number: data
    requests: list[bytes] = field(default_factory=list)
    url: str = ""

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.port)
        request = await reader.readuntil(b"\r\n\r\n")
        if b"/batches" in request:
            self.requests.append(request)
        up_writer.write(request.replace(b"keep-alive", b"close"))
        answer = await up_reader.read(-1)
        writer.write(self.damage(answer, len(self.requests)) if b"/batches" in request else answer)
        await writer.drain()
        writer.close()
        up_writer.close()


@pytest.fixture
def network(running: Running) -> Iterator[Network]:
    network = Network(int(running.url.rsplit(":")[-1]))
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(network.relay, "127.0.0.1", 0))
    network.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield network
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    server.close()
    loop.close()

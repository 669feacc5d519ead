"""Lines of a streamed body are grouped, whatever the pieces in which they come."""

import asyncio

import pytest
from starlette.types import Message

from serving.http import Refused
from serving.routes import lines


def groups(*pieces: bytes, count: int = 2) -> list[list[bytes]]:
    waiting = list(pieces)

    async def receive() -> Message:
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def collect() -> list[list[bytes]]:
        return [group async for group in lines.groups_of_lines(receive, count)]

    return asyncio.run(collect())


def test_lines_are_put_together_and_empty_ones_skipped() -> None:
    assert groups(b"a\nb", b"b\n\n", b"c\n \nd") == [[b"a", b"bb"], [b"c", b"d"]]
    assert groups(b"") == []


def test_a_line_that_is_too_long_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        groups(b"x" * (lines.LONGEST + 1))
    assert caught.value.response.status_code == 413


def test_a_written_line_is_read_back() -> None:
    cells = ["plain", "with, comma", 'with "quotes"', ""]
    assert lines.read_csv_line(lines.write_csv_line(cells).rstrip(b"\n")) == cells
    assert lines.read_csv_line(b'"open') == []

"""Lines of streamed bodies and answers: NDJSON and CSV."""

import asyncio
import csv
from collections.abc import AsyncIterator, Sequence

from starlette.types import Receive

from serving import http

#: Longest line in bytes, and lines that are held until there are enough of them.
LONGEST, MOST_HELD = 65_536, 1_048_576


async def groups_of_lines(receive: Receive, count: int) -> AsyncIterator[list[bytes]]:
    """Yield the lines of a body in groups; empty lines are skipped.

    Args:
        receive: Source of the body's pieces.
        count: Lines per group; groups of a mebibyte, and the last one, may have fewer.

    Raises:
        Refused: A line is longer than 64 KiB.
    """
    rest = b""
    waiting: list[bytes] = []
    async for chunk in http.chunks_of(receive):
        *whole, rest = (rest + chunk).split(b"\n")
        if max(map(len, (*whole, rest))) > LONGEST:
            if waiting:
                yield waiting
            raise http.too_large(LONGEST)
        waiting += (line for line in whole if line.strip())
        while len(waiting) >= count:
            yield waiting[:count]
            del waiting[:count]
            await asyncio.sleep(0)
        if sum(map(len, waiting)) > MOST_HELD:
            yield waiting
            waiting = []
    if rest.strip():
        waiting.append(rest)
    if waiting:
        yield waiting


def read_csv_line(line: bytes) -> list[str]:
    """Return the cells of one line; a malformed line has none, and so lacks every required column."""
    try:
        return next(csv.reader([line.decode("utf-8-sig", errors="replace").rstrip("\r")], strict=True), [])
    except csv.Error:
        return []


def write_csv_line(cells: Sequence[str]) -> bytes:
    """Return one line of CSV; faster than the `csv` module, which writes to a file object."""
    quoted = ('"' + cell.replace('"', '""') + '"' if any(mark in cell for mark in ',"\n') else cell for cell in cells)
    return ",".join(quoted).encode() + b"\r\n"

"""Segments of a spool: reading one, looking at all, and the space that they leave free on the disk."""

import contextlib
import os
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from serving.prediction_log.entries import Block, Entry

SUFFIX = ".log"
#: Head of a frame: length and CRC-32.
FRAME = struct.Struct("<II")
#: Bytes of the disk that stay free: this, or a twentieth of a small disk.
_LEAST_FREE = 256 << 20
_decode: Callable[[bytes], list[Entry] | Block] = msgspec.msgpack.Decoder(list[Entry] | Block).decode


class DamagedError(Exception):
    """A segment has a frame that is not what was written, and more behind it than a torn end."""


class Backlog(NamedTuple):
    """Segments that wait in a spool.

    Attributes:
        segments: How many there are.
        size: Their bytes.
        began: When the oldest one was created, in seconds since 1970; None if there is none.
    """

    segments: int
    size: int
    began: float | None


def frames(path: Path) -> Iterator[list[Entry]]:
    """Yield a segment's groups; end at a torn frame, which a crash leaves.

    Raises:
        DamagedError: A frame within the segment cannot be read.
    """
    with path.open("rb") as file:
        while len(head := file.read(FRAME.size)) == FRAME.size:
            length, checksum = FRAME.unpack(head)
            body = file.read(length)
            if len(body) < length:
                return
            if not length or zlib.crc32(body) != checksum:
                # After a power cut, many file systems have zeros where the last frames should be.
                if any(file.read()):
                    raise DamagedError(f"a frame of {length} bytes cannot be read")
                return
            try:
                group = _decode(body)
                entries: list[Entry] = group.entries() if isinstance(group, Block) else [*group]
            except (msgspec.MsgspecError, ValueError, struct.error) as error:
                raise DamagedError(f"a frame of {length} bytes cannot be decoded: {type(error).__name__}") from error
            yield entries


def measure(folder: Path) -> Backlog:
    """Look at the segments of a spool."""
    segments, total, first = 0, 0, ""
    with os.scandir(folder) as files:
        for file in files:
            if not file.name.endswith(SUFFIX):
                continue
            with contextlib.suppress(FileNotFoundError):  # stored meanwhile
                total += file.stat().st_size
                segments += 1
                first = min(first or file.name, file.name)
    began = first.partition("-")[0]
    return Backlog(segments, total, int(began) / 1e9 if began.isdigit() else None)


def has_room(folder: Path) -> bool:
    """Return whether the disk of a folder has enough free space that the log may write to it."""
    disk = shutil.disk_usage(folder)
    return disk.free >= min(_LEAST_FREE, disk.total // 20)

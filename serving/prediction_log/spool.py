"""Keep every answer: an append-only spool on local disk, synced in groups; the sidecar carries it on.

A segment file is a run of frames: length and CRC-32 (little endian), then MessagePack of a list of `Entry` or
of a `Block`.
A torn last frame is what a crash cut off. Segments are small and a new one begins every few seconds; the
sidecar stores finished ones and removes them. Storing is idempotent by id, so a segment may be sent twice.
"""

import fcntl
import logging
import os
import struct
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import IO

import msgspec

from serving import metrics
from serving.prediction_log.entries import Block, Entry

SUFFIX = ".log"
_FRAME = struct.Struct("<II")
_SEGMENT_BYTES = 4 << 20
_SEGMENT_SECONDS = 1.0
#: Entries that may wait in memory for the next sync.
_PENDING = 200_000
log = logging.getLogger(__name__)

_encode = msgspec.msgpack.Encoder().encode
_decode: Callable[[bytes], list[Entry] | Block] = msgspec.msgpack.Decoder(list[Entry] | Block).decode


def frames(path: Path) -> Iterator[list[Entry]]:
    """Read a segment's groups; stop silently at a torn end, which a crash leaves."""
    with path.open("rb") as file:
        while len(head := file.read(_FRAME.size)) == _FRAME.size:
            length, checksum = _FRAME.unpack(head)
            body = file.read(length)
            if len(body) < length or zlib.crc32(body) != checksum:
                return
            group = _decode(body)
            yield group.entries() if isinstance(group, Block) else group


def size(folder: Path) -> int:
    """Return the bytes of all segments in a spool."""
    total = 0
    for path in folder.glob(f"*{SUFFIX}"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # stored meanwhile
            continue
    return total


class PredictionLog:
    """Append entries from the event loop; a thread writes and syncs them.

    Args:
        folder: the spool.
        interval: seconds between syncs.
        limit: bytes of the spool above which nothing more is written.
        sync: wake the writer at once; answers wait for `on_disk`.
    """

    def __init__(self, folder: Path, interval: float, limit: int, *, sync: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._interval, self._limit, self._sync = folder, interval, limit, sync
        # A deque: appending to one that another thread empties loses nothing.
        self._pending: deque[Entry | Block] = deque()
        # Answers given to the log by the event loop, and taken by the writer; each has one thread that changes it.
        self._given = self._taken = 0
        self._waiting: list[Callable[[bool], None]] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._file: IO[bytes] | None = None
        self._opened = 0.0
        #: Whether the spool has reached its limit (or the disk fails).
        self.full = False
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    def append(self, entry: Entry | Block, count: int = 1) -> None:
        """Take one entry or block of `count` answers; count it as dropped when there is no room."""
        if self.full or self._given - self._taken >= _PENDING:
            metrics.log_dropped.labels("full").inc(count)
            return
        self._given += count
        self._pending.append(entry)
        if self._sync:
            self._wake.set()

    def on_disk(self, tell: Callable[[bool], None]) -> None:
        """Call `tell` from the writer's thread when all that was appended is synced, or has failed."""
        with self._lock:
            self._waiting.append(tell)
        self._wake.set()

    def close(self) -> None:
        """Write what is left, sync, and stop."""
        self._stopping = True
        self._wake.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(self._interval)
            self._wake.clear()
            self._write()
        self._write()
        self._finish()

    def _write(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        waited = [self._pending.popleft() for _ in range(len(self._pending))]
        count = sum(len(e.prediction_ids) if isinstance(e, Block) else 1 for e in waited)
        self._taken += count
        kept = True
        try:
            if waited:
                self._append(waited)
                metrics.log_written.inc(count)
            if self._file is not None and time.monotonic() - self._opened > _SEGMENT_SECONDS:
                self._finish()
        except OSError as error:
            kept = False
            metrics.log_dropped.labels("disk").inc(count)
            log.error("the prediction log cannot be written: %s", error)
            self._abandon()
        for tell in waiting:
            tell(kept)

    def _append(self, waited: Sequence[Entry | Block]) -> None:
        file = self._file or self._open()
        for together, group in groupby(waited, lambda e: isinstance(e, Entry)):
            for body in map(_encode, [list(group)] if together else group):
                _write_whole(file, _FRAME.pack(len(body), zlib.crc32(body)))
                _write_whole(file, body)
        os.fdatasync(file.fileno())
        if file.tell() >= _SEGMENT_BYTES:
            self._finish()

    def _open(self) -> IO[bytes]:
        path = self._folder / f"{time.time_ns():020d}-{os.getpid()}{SUFFIX}"
        file: IO[bytes] = path.open("xb", buffering=0)
        self._file = file
        # Held while it grows: the sidecar takes only segments whose lock is free.
        fcntl.flock(file, fcntl.LOCK_EX)
        self._opened = time.monotonic()
        _sync_folder(self._folder)
        return file

    def _finish(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._measure()

    def _abandon(self) -> None:
        try:
            self._finish()
        except OSError:
            self._file = None
        self.full = True

    def _measure(self) -> None:
        used = size(self._folder)
        if (used >= self._limit) != self.full:
            self.full = used >= self._limit
            log.warning("the prediction log is %s: %d bytes in the spool", "full" if self.full else "open", used)

    def refresh(self) -> None:
        """Look at the spool's size again: the sidecar may have made room."""
        if self.full:
            self._measure()


def _write_whole(file: IO[bytes], data: bytes) -> None:
    # A nearly full disk takes a part and says so only when asked for the rest.
    written = file.write(data)
    while written < len(data):
        written += file.write(data[written:])


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

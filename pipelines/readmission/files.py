"""Files that a reader sees whole or not at all."""

import hashlib
import mmap
import os
import shutil
from pathlib import Path
from typing import BinaryIO, Protocol, cast


class Reader(Protocol):
    """Anything whose content is read in parts."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; none at the end."""


def write_atomic(path: Path, data: bytes | str | Reader, *, mode: int = 0o666, sync: bool = False) -> None:
    """Write a file beside its place and rename it there.

    Args:
        path: Destination, replaced if it exists. Its folder must exist.
        data: Content; text is written as UTF-8, and a reader is copied in parts.
        mode: Permissions of a new file, before the umask.
        sync: Whether content and name must survive a power cut when this returns.

    Raises:
        OSError: The disk is full or the folder is not writable. The old content is still there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            if isinstance(data, bytes | str):
                file.write(data.encode() if isinstance(data, str) else data)
            else:
                shutil.copyfileobj(cast(BinaryIO, data), file, 1 << 20)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    if sync:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Let the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def map_file(path: Path) -> memoryview:
    """Map a file into memory, which processes share."""
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

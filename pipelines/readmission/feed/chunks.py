"""The data set cut into batches, each kept as files that can be sent whole or from any byte."""

import csv
import gzip
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Literal, Self

from readmission.data.sources import SYNTHETIC_MARK, FileSource
from readmission.files import file_sha256

Form = Literal["csv", "ndjson"]


@dataclass(frozen=True, slots=True)
class Representation:
    """File of one batch in one form and encoding, and the hash of its bytes."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Chunks:
    """Batches of one source, cut to one size, in one folder.

    Attributes:
        folder: `0001.csv` and so on, each with the header; other forms are added when first asked for.
        rows: Data rows of each batch, in order.
        source_sha256: Hash of the whole source.
        synthetic: Whether the source states that it is not real.
    """

    folder: Path
    rows: tuple[int, ...]
    source_sha256: str
    synthetic: bool

    @classmethod
    def cut(cls, source: FileSource, folder: Path, size: int) -> Self:
        """Cut a source into batches of `size` lines, or find them cut by an earlier start.

        The folder is named after the source's hash and the size, and appears only when complete: a
        killed start leaves nothing that looks finished, and another file gets another folder.
        """
        done = folder / f"{source.sha256[:16]}-{size}"
        if not (done / "rows.json").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            cutting = Path(tempfile.mkdtemp(dir=folder, prefix="cutting-"))
            rows = list(_write_batches(source.content, cutting, size))
            (cutting / "rows.json").write_text(json.dumps(rows))
            cutting.rename(done)
        rows = json.loads((done / "rows.json").read_text())
        return cls(done, tuple(rows), source.sha256, source.synthetic)

    def get(self, number: int, form: Form, compressed: bool) -> Representation:
        """Return batch `number` (from 1) in a form, made on first use.

        The bytes depend on nothing but the batch, so that a download may go on after a restart.
        """
        path = self.folder / f"{number:04d}.csv"
        if form == "ndjson":
            path = _derived(path, path.with_suffix(".ndjson"), _to_ndjson)
        if compressed:
            path = _derived(path, path.with_name(f"{path.name}.gz"), _to_gzip)
        return Representation(path, _sha256(path))


_sha256 = cache(file_sha256)


def _write_batches(content: bytes, folder: Path, size: int) -> Iterator[int]:
    """Write the lines as they are, below the header (and the mark of a synthetic source)."""
    lines = content.splitlines(keepends=True)
    first = 2 if content.startswith(SYNTHETIC_MARK) else 1
    for number, start in enumerate(range(first, len(lines), size), start=1):
        batch = lines[start : start + size]
        (folder / f"{number:04d}.csv").write_bytes(b"".join(lines[:first] + batch))
        yield len(batch)


def _derived(source: Path, target: Path, convert: Callable[[Path, IO[bytes]], None]) -> Path:
    """Make `target` from `source` unless it is there; two at once both make the same."""
    if not target.exists():
        with _replacing(target) as stream:
            convert(source, stream)
    return target


@contextmanager
def _replacing(target: Path) -> Iterator[IO[bytes]]:
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=target.name, delete=False) as stream:
        try:
            yield stream
        except BaseException:
            Path(stream.name).unlink()
            raise
    Path(stream.name).replace(target)


def _to_ndjson(source: Path, stream: IO[bytes]) -> None:
    with source.open("rb") as head:
        synthetic = head.readline().startswith(SYNTHETIC_MARK)
    with source.open(encoding="utf-8-sig", newline="") as text:
        if synthetic:
            next(text)
        for row in csv.DictReader(text):
            stream.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")


def _to_gzip(source: Path, stream: IO[bytes]) -> None:
    with (
        source.open("rb") as plain,
        gzip.GzipFile(filename="", mode="wb", fileobj=stream, compresslevel=6, mtime=0) as packed,
    ):
        shutil.copyfileobj(plain, packed)

"""Where raw rows come from: a csv or the UCI zip, as a file or a URL; or a synthetic sample."""

import hashlib
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv

from readmission import contract
from readmission.data import content
from readmission.data.content import CSV_NAME
from readmission.errors import UserError
from readmission.files import write_atomic
from readmission.settings import Settings

log = logging.getLogger(__name__)

UCI_URL = "https://archive.ics.uci.edu/static/public/296/diabetes+130-us+hospitals+for+years+1999-2008.zip"
#: sha256 of diabetic_data.csv as UCI publishes it.
UCI_SHA256 = "0689e7ec031237dc63031b938805c48377748761a3b26acab621567afa24df97"
#: The first line of a generated sample is this comment: a file that says of itself that it is not real.
SYNTHETIC_MARK = b"# synthetic"
#: Columns of a batch.
_NAMES = (*contract.COLUMN_NAMES, *contract.TIME_NAMES)


@dataclass(frozen=True)
class UnreadableLine:
    """A line that is no row of the table: its number (1 = first below the header), text and field counts."""

    row_number: int
    text: str
    expected: int
    fields: int


@dataclass(frozen=True)
class RawBatch:
    """Raw rows of one batch.

    Attributes:
        number: Position in the source, from 1.
        frame: Text, columns `contract.COLUMN_NAMES` and `contract.TIME_NAMES`, index = row number in the source
            (1 = first below the header).
        unreadable: Lines of this batch that are not rows.
        sha256: Hash of the batch's own content where the source announces it, else empty.
    """

    number: int
    frame: pd.DataFrame
    unreadable: list[UnreadableLine]
    sha256: str = ""

    @property
    def rows_read(self) -> int:
        """Count every line of the batch, readable or not."""
        return len(self.frame) + len(self.unreadable)


class SourceClosedError(UserError):
    """The source was open and gives nothing any more, until it opens again."""


class Source(Protocol):
    """Batches of raw rows."""

    @property
    def name(self) -> str:
        """The name for a person."""

    @property
    def sha256(self) -> str:
        """The hash of the whole content: the same rows from elsewhere are the same batches."""

    @property
    def synthetic(self) -> bool:
        """Whether the source is marked as synthetic."""

    @property
    def batches(self) -> int:
        """How many batches are available now."""

    @property
    def batch_hashes(self) -> Sequence[str]:
        """The hash of each batch's own content, if they are announced: a source that has grown goes on with them."""

    def batch(self, number: int) -> RawBatch:
        """Return one batch, from 1.

        Raises:
            SourceClosedError: The source has closed meanwhile. The rest is taken another time.
            UserError: The source is not a table of the contract, or has no such batch now.
        """


class FileSource:
    """Batches of the content of one csv file."""

    batch_hashes: Sequence[str] = ()

    def __init__(self, name: str, content: bytes, batch_size: int) -> None:
        self.name = name
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.synthetic = content.startswith(SYNTHETIC_MARK)
        self.content = content
        self._size = batch_size

    @cached_property
    def _table(self) -> tuple[pa.Table, list[UnreadableLine]]:
        return parse(self.content, self.name)

    @property
    def batches(self) -> int:
        """Count the batches; the last may be short."""
        table, unreadable = self._table
        return -(-(int(table.num_rows) + len(unreadable)) // self._size)

    def batch(self, number: int) -> RawBatch:
        """Return one batch.

        Raises:
            UserError: The file is not the table of the contract, or has no such batch.
        """
        if not 1 <= number <= self.batches:
            raise UserError(f"{self.name} has batches 1 to {self.batches}, there is no batch {number}.")
        table, unreadable = self._table
        first, last = (number - 1) * self._size + 1, number * self._size
        bad = [line for line in unreadable if first <= line.row_number <= last]
        before = sum(line.row_number < first for line in unreadable)
        total = table.num_rows + len(unreadable)
        numbers = sorted(set(range(first, min(last, total) + 1)) - {line.row_number for line in bad})
        frame = table.slice(first - 1 - before, len(numbers)).to_pandas()
        frame.index = pd.Index(numbers, name="row_number")
        return RawBatch(number, frame, bad)


def parse(content: bytes, name: str) -> tuple[pa.Table, list[UnreadableLine]]:
    """Read a csv of the contract as text, setting aside lines with too few or too many fields.

    Raises:
        UserError: The file is empty, is not text, is not a table, or has missing or unknown columns, which it names.
    """
    head = content[:2048].lstrip().lower()
    if not head:
        raise UserError(f"{name} is empty; expected the csv of the data set (columns {contract.COLUMN_NAMES[0]}, ...).")
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise UserError(f"{name} is a web page, not a csv: the address is wrong or the server answered an error.")
    if b"\0" in content:
        raise UserError(f"{name} is not a text file; expected a csv, or the zip that UCI publishes.")
    unreadable: list[UnreadableLine] = []

    def set_aside(row: pyarrow.csv.InvalidRow) -> str:
        unreadable.append(UnreadableLine(row.number - 1 - comment, row.text, row.expected_columns, row.actual_columns))
        return "skip"

    comment = 1 if content.startswith(SYNTHETIC_MARK) else 0
    try:
        table = pyarrow.csv.read_csv(
            io.BytesIO(content),
            # One thread: only then does a skipped row know its number.
            read_options=pyarrow.csv.ReadOptions(use_threads=False, skip_rows=comment, block_size=1 << 22),
            parse_options=pyarrow.csv.ParseOptions(invalid_row_handler=set_aside, ignore_empty_lines=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(_NAMES, pa.string()), strings_can_be_null=False
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise UserError(f"{name} is not a csv in UTF-8: {error}") from error
    _check_columns(table, name)
    if not table.num_rows:
        raise UserError(f"{name} has a header and no rows.")
    return _with_unknown(table), unreadable


def _with_unknown(table: pa.Table) -> pa.Table:
    """Add absent times, and make an empty outcome or time unknown: exports often leave empty what is not known yet."""
    for name in (contract.TARGET, *contract.TIME_NAMES):
        if name not in table.column_names:
            table = table.append_column(name, pa.array([contract.MISSING_TOKEN] * len(table), pa.string()))
            continue
        texts = table[name]
        if pyarrow.compute.any(empty := pyarrow.compute.equal(texts, "")).as_py():
            position = table.column_names.index(name)
            filled = pyarrow.compute.if_else(empty, contract.MISSING_TOKEN, texts)
            table = table.set_column(position, name, filled)
    return table.select(list(_NAMES))


def _check_columns(table: pa.Table, name: str) -> None:
    missing = [column for column in contract.COLUMN_NAMES if column not in table.column_names]
    unknown = [column for column in table.column_names if column not in _NAMES]
    if repeated := sorted({column for column in table.column_names if table.column_names.count(column) > 1}):
        raise UserError(f"{name} is a table with a column more than once: {', '.join(repeated)[:300]}.")
    if missing or unknown:
        differences = [f"without the columns {', '.join(missing)}"] if missing else []
        differences += [f"with columns the contract does not know: {', '.join(unknown)[:300]}"] if unknown else []
        raise UserError(f"{name} is a table {' and '.join(differences)}.")


def open_source(settings: Settings, source: str = "") -> FileSource:
    """Open the data: the argument, else the setting, else the local cache, else UCI's download.

    Args:
        settings: `source`, `home` (the download is kept in its `cache/`) and `batch_size` are used.
        source: Path, URL or s3:// URL of a csv or of the UCI zip. If empty, the setting decides.

    Raises:
        UserError: There is no data; the message says what to do.
    """
    location = source or settings.source
    if location.startswith(("http://", "https://")):
        data = _from_uci() if location == UCI_URL else content.unzip(content.download(location), location)
        return FileSource(location, data, settings.batch_size)
    if location.startswith("s3://"):
        data = content.get_object(location, settings.objects.s3_endpoint)
        return FileSource(location, content.unzip(data, location), settings.batch_size)
    if location:
        path = Path(location).expanduser()
        if not path.is_file():
            raise UserError(f"{path} is not a file: --source (or READMISSION_SOURCE) names the csv or the UCI zip.")
        return FileSource(path.name, content.unzip(path.read_bytes(), path.name), settings.batch_size)
    cached = settings.home / "cache" / CSV_NAME
    if not cached.is_file():
        cached.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(cached, _from_uci())
    return FileSource(CSV_NAME, cached.read_bytes(), settings.batch_size)


def _from_uci() -> bytes:
    """Download the data set from UCI and check its hash."""
    data = content.unzip(content.download(UCI_URL), UCI_URL)
    digest = hashlib.sha256(data).hexdigest()
    if digest != UCI_SHA256:
        raise UserError(f"What UCI sent is not the data set: sha256 {digest}, expected {UCI_SHA256}.")
    return data

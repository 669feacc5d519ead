"""An uploaded table of encounters, however a spreadsheet saved it, and tables to start from."""

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from readmission import contract
from serving.demo.language import mark, tr
from serving.demo.presets import PRESETS

#: Separators that spreadsheets write, and their names.
_SEPARATORS = {",": mark("commas"), ";": mark("semicolons"), "\t": mark("tabs")}
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
#: First characters by which a spreadsheet takes a cell for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_CHUNK = 1 << 20


class NotScorableError(Exception):
    """The file cannot be read as encounters; the text says why, for a person."""


@dataclass(kw_only=True)
class TextTable:
    """How a file is to be read.

    Attributes:
        path: The file.
        encoding: Name of its encoding.
        separator: Character between its cells.
        skipped: Lines before the one that names the columns.
        names: Names of its columns.
        notes: What was read otherwise than as a comma-separated file of UTF-8 text, for a person.
    """

    path: Path
    encoding: str
    separator: str = ","
    skipped: int = 0
    names: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def rows(self) -> Iterator[tuple[int, dict[str, str], bool]]:
        """Yield each row: its number as a spreadsheet shows it, its cells by column, whether it has surplus cells."""
        with self.path.open(encoding=self.encoding, newline="") as lines:
            reader = csv.reader(lines, delimiter=self.separator)
            for number, cells in enumerate(reader, 1):
                if number <= self.skipped + 1 or not cells:
                    continue
                surplus = any(cells[len(self.names) :])
                yield number, dict(zip(self.names, cells, strict=False)), surplus


def open_table(path: Path) -> TextTable:
    """Find out how a file is to be read: by its content, whatever its name ends with.

    Raises:
        NotScorableError: It is no table, or lacks required columns.
    """
    with path.open("rb") as file:
        head = file.read(8)
    if not head.strip():
        raise NotScorableError(tr("The file is empty."))
    if head.startswith(_WORKBOOKS):
        raise NotScorableError(
            tr("This is an Excel workbook. In Excel, choose “Save as” and “CSV UTF-8”, then upload that.")
        )
    table = TextTable(path=path, encoding=_encoding(path, head))
    if table.encoding == "cp1252":
        table.notes.append(tr("The file is not UTF-8 text; it was read as Windows-1252."))
    with path.open(encoding=table.encoding, newline="") as lines:
        first = lines.readline()
        if first.lower().startswith("sep="):  # how Excel names the separator to itself
            table.skipped = 1
            first = lines.readline()
    table.separator = max(_SEPARATORS, key=first.count)
    if table.separator != ",":
        separators = tr(_SEPARATORS[table.separator])
        table.notes.append(
            tr("The columns are separated by {separators}; the scored file is too.", separators=separators)
        )
    table.names = [name.strip() for name in next(csv.reader(io.StringIO(first), delimiter=table.separator), [])]
    required = [column.name for column in contract.REQUEST_COLUMNS if column.required]
    if absent := [name for name in required if name not in table.names]:
        raise NotScorableError(
            tr(
                "The first line must name the data set's columns; missing: {names}. The template has all of them.",
                names=", ".join(absent),
            )
        )
    return table


def _encoding(path: Path, head: bytes) -> str:
    wide = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for candidate in ("utf-16" if wide else "utf-8-sig", "cp1252"):
        try:
            with path.open(encoding=candidate, newline="") as text:
                while chunk := text.read(_CHUNK):
                    if "\0" in chunk:
                        break
                else:
                    return candidate
        except UnicodeError:
            continue
        break
    raise NotScorableError(tr("This is not a table of text: save it as CSV UTF-8 and upload that."))


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula; numbers stay as they are."""
    if not cell.startswith(_FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return "'" + cell
    return cell


def template() -> str:
    """Return a file with the names of all columns and no row."""
    return _written([])


def example() -> str:
    """Return a file with the examples of the page."""
    stated = {contract.ICD.name: contract.ICD.assumed or ""}
    return _written([stated | {name: str(value) for name, value in preset.record.items()} for preset in PRESETS])


def _written(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    names = [column.name for column in (*contract.FEATURE_COLUMNS, contract.ICD)]
    writer = csv.DictWriter(text, names, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return "\ufeff" + text.getvalue()

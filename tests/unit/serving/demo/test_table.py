"""Files as spreadsheets save them: read, or refused with a sentence that helps."""

import csv
import io
from pathlib import Path

import pytest

from readmission import contract
from serving.demo import table
from serving.demo.table import NotScorableError, harmless, open_table

NAMES = list(contract.COLUMN_NAMES)


def text(separator: str = ",", end: str = "\n") -> str:
    row = [str(contract.EXAMPLE.get(name, "é" if name == "race" else "")) for name in NAMES]
    return separator.join(NAMES) + end + separator.join(row) + end


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (text().encode(), ""),
        (text(end="\r\n").encode("utf-8-sig"), ""),
        (text(";", "\r\n").encode("cp1252"), "semicolons"),
        (text("\t").encode("utf-16"), "tabs"),
        (("sep=;\r\n" + text(";", "\r\n")).encode(), "semicolons"),
        (text().replace("Caucasian", "Café").encode("cp1252"), "Windows-1252"),
    ],
)
def test_every_way_of_saving_is_read(tmp_path: Path, content: bytes, note: str) -> None:
    path = tmp_path / "ward.txt"
    path.write_bytes(content)
    table = open_table(path)
    [(number, cells, surplus)] = table.rows()
    assert (cells["age"], surplus) == (contract.EXAMPLE["age"], False)
    assert number == 3 if content.startswith(b"sep=") else 2
    assert note in " ".join(table.notes) and bool(table.notes) == bool(note)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty"),
        (b"\r\n", "The file is empty"),
        (b"PK\x03\x04rest of a workbook", "Excel workbook.*CSV UTF-8"),
        (b"\xd0\xcf\x11\xe0old workbook", "Excel workbook"),
        (b"a,b\n1,2\n", "missing: gender"),
        (b"\x89PNG\x00\x00\x00", "not a table of text"),
        (b"\xff\xfe\x00", "not a table of text"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "ward.csv"
    path.write_bytes(content)
    with pytest.raises(NotScorableError, match=sentence):
        open_table(path)


def test_no_cell_is_a_formula_and_numbers_stay() -> None:
    assert [harmless(cell) for cell in ("=A1", "+x", "@y", "-z", "-5", "+1.5", "[70-80)", "")] == [
        "'=A1",
        "'+x",
        "'@y",
        "'-z",
        "-5",
        "+1.5",
        "[70-80)",
        "",
    ]


def test_template_and_example_are_files_that_can_be_scored(tmp_path: Path) -> None:
    path = tmp_path / "example.csv"
    path.write_text(table.example(), newline="")
    assert len(list(open_table(path).rows())) == 3
    path.write_text(table.template(), newline="")
    assert list(open_table(path).rows()) == []
    assert next(csv.reader(io.StringIO(table.template().lstrip("\ufeff")))) == [*contract.FEATURE_NAMES, "icd"]

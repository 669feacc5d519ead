"""Batches in every form, the same bytes after every start."""

import csv
import gzip
import json
from pathlib import Path

from readmission.data import synthetic
from readmission.data.sources import FileSource
from readmission.feed.chunks import Chunks


def cut(folder: Path) -> Chunks:
    return Chunks.cut(FileSource("sample.csv", synthetic.generate(250, seed=1), 100), folder, 100)


def test_every_form_holds_the_same_rows(tmp_path: Path) -> None:
    chunks = cut(tmp_path)
    assert chunks.rows == (100, 100, 50) and chunks.synthetic
    lines = chunks.get(3, "csv", compressed=False).path.read_text().splitlines()
    rows = list(csv.DictReader(lines[1:]))
    assert len(rows) == 50
    assert [json.loads(line) for line in chunks.get(3, "ndjson", compressed=False).path.open()] == rows
    assert gzip.decompress(chunks.get(3, "csv", compressed=True).path.read_bytes()).decode().splitlines() == lines


def test_another_start_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (cut(tmp_path / name).get(2, "ndjson", compressed=True) for name in ("a", "b"))
    assert first.sha256 == second.sha256 and first.path != second.path


def test_a_start_takes_what_an_earlier_one_cut(tmp_path: Path) -> None:
    folder = cut(tmp_path).folder
    assert cut(tmp_path).folder == folder and len(list(tmp_path.iterdir())) == 1

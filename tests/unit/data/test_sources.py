"""A csv becomes batches of raw text; what is no row is set aside with its number."""

import io
import zipfile

import pytest

from readmission import contract
from readmission.data import content, sources, synthetic
from readmission.errors import UserError
from readmission.settings import Settings

CONTENT = synthetic.generate(25, seed=3)
LINES = CONTENT.decode().splitlines()


def test_batches_cover_every_row_once_with_its_number() -> None:
    source = sources.FileSource("sample.csv", CONTENT, batch_size=10)
    batches = [source.batch(number) for number in range(1, source.batches + 1)]
    assert [len(batch.frame) for batch in batches] == [10, 10, 5]
    assert [label for batch in batches for label in batch.frame.index] == list(range(1, 26))
    assert [tuple(batch.frame.columns) for batch in batches] == [(*contract.COLUMN_NAMES, *contract.TIME_NAMES)] * 3
    assert source.synthetic


def test_a_line_with_too_few_fields_counts_and_is_set_aside() -> None:
    broken = "\n".join([*LINES[:14], "only,three,fields", *LINES[14:]]).encode()
    source = sources.FileSource("broken.csv", broken, batch_size=10)
    second = source.batch(2)
    assert [(line.row_number, line.fields, line.text) for line in second.unreadable] == [(13, 3, "only,three,fields")]
    assert second.rows_read == 10
    assert 13 not in second.frame.index


def test_a_batch_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match="batches 1 to 3, there is no batch 4"):
        sources.FileSource("sample.csv", CONTENT, batch_size=10).batch(4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><p>404", "web page"),
        (b"a,b\0c", "not a text file"),
        (b"race,shoe_size\nAsian,42\n", "shoe_size"),
        (",".join(contract.COLUMN_NAMES).encode() + b"\n", "no rows"),
    ],
    ids=["empty", "web page", "binary", "unknown column", "no rows"],
)
def test_a_file_that_is_not_the_table_is_refused_with_a_reason(content: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        sources.parse(content, "file.csv")


def test_the_csv_is_taken_out_of_the_zip() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"folder/{content.CSV_NAME}", CONTENT)
    assert content.unzip(buffer.getvalue(), "data.zip") == CONTENT


def test_uci_named_by_its_url_must_have_the_hash_that_uci_published(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings()
    monkeypatch.setattr(content, "download", lambda url: CONTENT)
    assert sources.open_source(settings, "https://example.org/data.csv").content == CONTENT
    with pytest.raises(UserError, match="What UCI sent is not the data set"):
        sources.open_source(settings, sources.UCI_URL)

"""The same rows give the same typed frame, whichever way they enter the system."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import msgspec
import pandas as pd
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readmission import contract
from readmission.contract import icd
from readmission.data import sources
from readmission.features import encoding
from readmission.scorer.pipeline import to_frame, to_values
from readmission.steps import process, score
from serving.predict import csv_rows, encounter

Row = dict[str, str]
FEATURES = list(contract.FEATURE_NAMES)
#: Codes of each rule that translates, with and without dot.
ICD10 = ("E11.9", "E1165", "I50.9", "I2510", "J44.9", "A41.9", "E878", "W19.XXXA", "N18.30", "Z79.4")


def drawn_row(seed: int) -> Row:
    random = Random(seed)
    return {
        column.name: contract.MISSING_TOKEN if column.nullable and random.random() < 0.3 else str(column.draw(random))
        for column in contract.COLUMNS
    }


def csv_text(rows: list[Row]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, contract.COLUMN_NAMES, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def request(row: Row) -> dict[str, str | int]:
    values = {column.name: column.parse(row[column.name]) for column in contract.FEATURE_COLUMNS}
    return {name: value for name, value in values.items() if value is not None}


def from_file(rows: list[Row]) -> pd.DataFrame:
    table, unreadable = sources.parse(csv_text(rows).encode(), "rows.csv")
    assert not unreadable
    assert table.column_names[-2:] == list(contract.TIME_NAMES)
    return encoding.typed_frame(table.to_pandas().drop(columns=list(contract.TIME_NAMES)))


def from_database(rows: list[Row]) -> pd.DataFrame:
    return encoding.typed_frame(process.read_texts(io.BytesIO(csv_text(rows).encode())))


def from_parquet(rows: list[Row]) -> pd.DataFrame:
    return pyarrow.parquet.read_table(io.BytesIO(process.to_parquet(from_database(rows)))).to_pandas()


def from_json(rows: list[Row]) -> pd.DataFrame:
    return to_frame([encounter.decode(msgspec.json.encode(request(row))) for row in rows])


def from_uploaded_csv(rows: list[Row]) -> pd.DataFrame:
    return to_frame([csv_rows.read(row) for row in csv.DictReader(io.StringIO(csv_text(rows)))])


def from_scored_csv(rows: list[Row]) -> pd.DataFrame:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        path.write_text(csv_text(rows))
        return encoding.typed_frame(score.read(path))


def from_logged_requests(rows: list[Row]) -> pd.DataFrame:
    return encoding.request_frame([msgspec.json.decode(msgspec.json.encode(request(row))) for row in rows])


ENTRIES = (from_database, from_parquet, from_json, from_uploaded_csv, from_scored_csv, from_logged_requests)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.__name__)
@settings(max_examples=15)
@given(seeds=st.lists(st.integers(0, 2**32), min_size=1, max_size=4))
def test_every_entry_gives_the_typed_frame_of_the_file(
    entry: Callable[[list[Row]], pd.DataFrame], seeds: list[int]
) -> None:
    rows = [drawn_row(seed) for seed in seeds]
    expected = from_file(rows)
    assert {name: str(dtype) for name, dtype in expected.dtypes.items()} == {
        column.name: column.dtype for column in contract.COLUMNS
    }
    pd.testing.assert_frame_equal(entry(rows)[FEATURES], expected[FEATURES])


def in_icd10(row: Row, random: Random) -> Row:
    return row | {name: random.choice((contract.MISSING_TOKEN, *ICD10)) for name in contract.DIAGNOSES}


def stated_in_icd10(rows: list[Row]) -> dict[str, pd.DataFrame]:
    """Return the typed frame of rows in ICD-10-CM, by the way they enter the system."""
    text = csv_text(rows).encode()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        path.write_bytes(text)
        scored = encoding.typed_frame(score.read(path, "10cm"), "10cm")
    requests = [{**request(row), "icd": "10cm"} for row in rows]
    return {
        "file": encoding.typed_frame(sources.parse(text, "rows.csv")[0].to_pandas(), "10cm"),
        "database": encoding.typed_frame(process.read_texts(io.BytesIO(text)), "10cm"),
        "scored file": scored,
        "JSON": to_frame([encounter.decode(msgspec.json.encode(body)) for body in requests]),
        "CSV": to_frame([csv_rows.read({**row, "icd": "10cm"}) for row in rows]),
        "prediction log": encoding.request_frame(requests),
        "prediction log of CSV": encoding.request_frame([csv_rows.as_request({**row, "icd": "10cm"}) for row in rows]),
    }


@settings(max_examples=25)
@given(st.lists(st.integers(0, 2**32), min_size=1, max_size=4))
def test_every_entry_translates_icd10_codes_alike(seeds: list[int]) -> None:
    rows = [in_icd10(drawn_row(seed), Random(seed)) for seed in seeds]
    translated = [
        row | {name: icd.to_icd9(row[name], "10cm") for name in contract.DIAGNOSES if row[name] != "?"} for row in rows
    ]
    expected = from_file(translated)[FEATURES]
    for entry, frame in stated_in_icd10(rows).items():
        pd.testing.assert_frame_equal(frame[FEATURES], expected, obj=entry)


@settings(max_examples=15)
@given(st.lists(st.integers(0, 2**32), min_size=1, max_size=4))
def test_identifiers_and_outcome_survive_database_and_parquet(seeds: list[int]) -> None:
    rows = [drawn_row(seed) for seed in seeds]
    pd.testing.assert_frame_equal(from_database(rows), from_file(rows))
    pd.testing.assert_frame_equal(from_parquet(rows), from_file(rows))


@settings(max_examples=15)
@given(st.lists(st.integers(0, 2**32), min_size=1, max_size=4))
def test_values_and_frame_are_inverse(seeds: list[int]) -> None:
    frame = from_file([drawn_row(seed) for seed in seeds])[FEATURES]
    pd.testing.assert_frame_equal(to_frame(to_values(frame)), frame)


def test_an_absent_value_is_what_the_contract_assumes() -> None:
    frame = encoding.request_frame([{"insulin": "Up", "blood_pressure": 120}, {}])
    assert list(frame.columns) == FEATURES
    assert frame["insulin"].tolist() == ["Up", "No"]
    assert frame["A1Cresult"].tolist() == ["None", "None"]
    assert frame[["race", "admission_type_id", "diag_1"]].isna().all(axis=None)


def test_text_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="three"):
        encoding.typed_frame(pd.DataFrame({"time_in_hospital": ["three"]}))

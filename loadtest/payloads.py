"""Requests: rows of a real file if there is one, otherwise values drawn from the contract."""

import csv
import io
import random
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from readmission import contract
from readmission.contract import Column
from readmission.errors import UserError

Record = dict[str, str | int]

_DIAGNOSES = ("250.83", "276", "414", "428", "427", "486", "401", "V57", "584", "E878", "786", "715")
_MEANS = {
    "time_in_hospital": 4.4,
    "num_lab_procedures": 43,
    "num_procedures": 1.3,
    "num_medications": 16,
    "number_outpatient": 0.4,
    "number_emergency": 0.2,
    "number_inpatient": 0.6,
    "number_diagnoses": 7.4,
}


def encounters(count: int, seed: int, source: Path | None = None) -> list[Record]:
    """Draw encounters as requests, without identifiers.

    Args:
        count: Number of encounters.
        seed: The same seed draws the same encounters.
        source: Csv of the data set, or the zip that contains it. If omitted, encounters are drawn from the contract.

    Raises:
        UserError: The source contains no encounters.
    """
    rng = random.Random(seed)  # noqa: S311 - a draw, not a secret
    if source is None:
        return [_drawn(rng) for _ in range(count)]
    rows = list(islice(_rows(source), 20_000))
    if not rows:
        raise UserError(f"{source} contains no encounter with the data set's columns.")
    return [request(rng.choice(rows)) for _ in range(count)]


def request(row: Mapping[str, str]) -> Record:
    """Return the request of one row of the file, without its missing values."""
    record: Record = {}
    for column in contract.FEATURE_COLUMNS:
        value = column.parse(row.get(column.name, contract.MISSING_TOKEN))
        if value is not None:
            record[column.name] = value
    return record


def single(record: Record) -> bytes:
    """Encode one encounter as the body of POST /predict."""
    return msgspec.json.encode(record)


def batch(records: list[Record]) -> bytes:
    """Encode encounters as the body of POST /predict_batch."""
    return msgspec.json.encode({"records": records})


def invalid(record: Record, seed: int) -> bytes:
    """Encode an encounter with one common mistake: a level, a range, a name, or a missing column."""
    broken: dict[str, Any] = dict(record)
    match seed % 4:
        case 0:
            broken["age"] = "seventy"
        case 1:
            broken["time_in_hospital"] = 99
        case 2:
            broken["blood_pressure"] = 120
        case _:
            del broken["gender"]
    return msgspec.json.encode(broken)


def _drawn(rng: random.Random) -> Record:
    record: Record = {}
    for column in contract.FEATURE_COLUMNS:
        if column.required or rng.random() < (0.97 if column.administrative else 0.9):
            record[column.name] = _value(column, rng)
    return record


def _value(column: Column, rng: random.Random) -> str | int:
    if column.name in contract.NUMERIC:
        draw = rng.expovariate(1 / _MEANS.get(column.name, 1.0))
        return min(column.maximum, column.minimum + int(draw))
    if column.name in contract.DIAGNOSES:
        return rng.choice(_DIAGNOSES)
    if not column.levels:
        return column.draw(rng)
    if column.descriptions:
        return rng.choice(column.values()[:8])  # the frequent codes come first
    usual = column.assumed if column.assumed in column.levels else None
    if usual is not None and column.name != "insulin" and rng.random() < 0.9:
        return usual
    return rng.choice(column.levels)


def _rows(source: Path) -> Iterator[dict[str, str]]:
    if source.suffix == ".zip":
        with zipfile.ZipFile(source) as archive:
            name = next((n for n in archive.namelist() if n.endswith("diabetic_data.csv")), None)
            if name is None:
                raise UserError(f"{source} contains no diabetic_data.csv.")
            with archive.open(name) as lines:
                yield from _encounters(io.TextIOWrapper(lines, encoding="utf-8"))
    else:
        with source.open(encoding="utf-8", newline="") as lines:
            yield from _encounters(lines)


def _encounters(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    # The synthetic sample starts with a comment.
    for row in csv.DictReader(line for line in lines if not line.startswith("#")):
        if all(column.problem(row.get(column.name) or "") is None for column in contract.FEATURE_COLUMNS):
            yield row

"""Scoring of an uploaded CSV through the API, in chunks: memory is bounded, an error stays with its row."""

import csv
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from readmission import contract
from serving.demo.client import Client
from serving.demo.labels import objection

#: Rows in one request; the API takes up to 10,000.
CHUNK = 2_000
#: Errors shown on the page; the scored file has them all.
SHOWN = 10
RESULT_COLUMNS = (
    "prediction",
    "probability_no",
    "probability_after_30",
    "probability_within_30",
    "model_version",
    "error",
)
_PROBABILITIES = dict(zip(("NO", ">30", "<30"), RESULT_COLUMNS[1:4], strict=True))


class NotScorableError(Exception):
    """The file cannot be read as encounters; the text says why, for a person."""


@dataclass
class Tally:
    """Counts of the rows so far.

    Attributes:
        rows: Rows read.
        failed: Rows that the API could not score.
        bands: Scored rows by the risk band of the model version; empty for a model without bands.
        errors: Row number and reason of the first failures, at most `SHOWN`.
    """

    rows: int = 0
    failed: int = 0
    bands: Counter[str] = field(default_factory=Counter)
    errors: list[tuple[int, str]] = field(default_factory=list)


async def score(client: Client, source: Path, target: Path) -> AsyncIterator[Tally]:
    """Write `source` with the API's answers to `target`; yield the counts after each chunk.

    The outcome column is neither sent nor copied. Columns the contract does not know are copied, not sent.

    Raises:
        NotScorableError: The file is not a CSV with the required columns.
        UnavailableError, RejectedError: The API gave no answer.
    """
    tally = Tally()
    try:
        with (
            source.open(encoding="utf-8-sig", newline="") as lines,
            target.open("w", encoding="utf-8", newline="") as out,
        ):
            reader = _reader(lines)
            kept = [name for name in reader.fieldnames or () if name != contract.TARGET]
            writer = csv.DictWriter(out, [*kept, *RESULT_COLUMNS], extrasaction="ignore", restval="")
            writer.writeheader()
            while rows := list(islice(reader, CHUNK)):
                content = await client.predict_batch([row_to_record(row) for row in rows])
                for row, result in zip(rows, results(content, len(rows)), strict=True):
                    tally.rows += 1
                    writer.writerow({**row, **_columns(result, tally)})
                yield tally
    except (UnicodeDecodeError, csv.Error) as error:
        raise NotScorableError("This is not a CSV file of UTF-8 text.") from error
    if not tally.rows:
        raise NotScorableError("The file has a header but no rows.")


def row_to_record(row: Mapping[str, str | None]) -> dict[str, str | int]:
    """Build the request from one row of text; ``?`` and empty cells of optional columns are left out.

    A malformed number is sent unchanged, so that the API says what is wrong with it.
    """
    record: dict[str, str | int] = {}
    for column in contract.REQUEST_COLUMNS:
        text = (row.get(column.name) or "").strip()
        if not text or (text == contract.MISSING_TOKEN and column.nullable):
            continue
        numeric = column.is_number and text.isascii() and text.isdigit()
        record[column.name] = int(text) if numeric else text
    return record


def results(content: Mapping[str, Any], count: int) -> Iterator[Mapping[str, Any]]:
    """Yield one result per record, in order: an answer, or ``{"errors": [...]}``."""
    failed = {entry["index"]: entry for entry in content["errors"]}
    answers = iter(content["predictions"])
    for index in range(count):
        yield failed[index] if index in failed else next(answers)


def _reader(lines: TextIO) -> "csv.DictReader[str]":
    reader = csv.DictReader(lines)
    names = set(reader.fieldnames or ())
    required = [column.name for column in contract.REQUEST_COLUMNS if column.required]
    if absent := [name for name in required if name not in names]:
        raise NotScorableError(
            f"The first line must name the data set's columns; missing: {', '.join(absent)}. "
            "The columns are separated by commas."
        )
    return reader


def _columns(result: Mapping[str, Any], tally: Tally) -> dict[str, str]:
    if errors := result.get("errors"):
        sentence = "; ".join(f"{error['field']}: {objection(error)}" for error in errors)
        tally.failed += 1
        if len(tally.errors) < SHOWN:
            tally.errors.append((tally.rows, sentence))
        return {"error": sentence}
    if risk_band := result.get("risk_band"):
        tally.bands[risk_band] += 1
    probabilities = {_PROBABILITIES[name]: f"{p:.6f}" for name, p in result["probabilities"].items()}
    return {
        "prediction": result["prediction"],
        **probabilities,
        "model_version": str(result.get("model_version", "")),
    }

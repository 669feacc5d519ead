"""Scoring of an uploaded CSV through the API, in chunks: memory is bounded, an error stays with its row."""

import csv
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from readmission import contract
from readmission.contract import icd
from serving.demo import diagnoses
from serving.demo.client import DemoClient
from serving.demo.labels import describe_level, objection, title
from serving.demo.language import mark, tr
from serving.demo.table import NotScorableError, harmless, open_table

#: Rows in one request; the API takes up to 10,000.
CHUNK = 2_000
#: Errors and highest risks shown on the page; the scored file has all of them.
SHOWN = 10
RESULT_COLUMNS = (
    "prediction",
    "probability_no",
    "probability_after_30",
    "probability_within_30",
    "risk_band",
    "model_version",
    "error",
)
#: What the model read in place of diagnoses of ICD-10-CM; only files that may have such codes get this column.
READ_COLUMN = "diagnoses_icd9"
_DECLARED = mark("Diagnoses were read as {system}, except in rows whose column “icd” says otherwise.")
_SURPLUS = {"errors": [{"field": "", "problem": mark("This row has more cells than the first line.")}]}
_PROBABILITIES = dict(zip(("NO", ">30", "<30"), RESULT_COLUMNS[1:4], strict=True))


#: Number as a spreadsheet shows it, cells by column, whether there are surplus cells.
Row = tuple[int, dict[str, str], bool]


@dataclass(kw_only=True)
class Tally:
    """Counts of the rows so far.

    Attributes:
        rows: Rows read.
        failed: Rows that could not be scored.
        bands: Scored rows by the risk band of the model version; empty for a model without bands.
        errors: Row number, as a spreadsheet shows it, and reason of the first failures, at most `SHOWN`.
        highest: Risk, row number, encounter and band of the highest risks, the highest first, at most `SHOWN`.
        notes: How the file was read, where that is worth a sentence.
    """

    rows: int = 0
    failed: int = 0
    bands: Counter[str] = field(default_factory=Counter)
    errors: list[tuple[int, str]] = field(default_factory=list)
    highest: list[tuple[float, int, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


async def score(client: DemoClient, source: Path, target: Path, system: icd.System = "9cm") -> AsyncIterator[Tally]:
    """Write `source` with the API's answers to `target`; yield the counts after each chunk.

    The outcome column is neither sent nor copied. Columns the contract does not know are copied, not sent. The target
    has the separator of the source, so that the same spreadsheet opens it.

    Args:
        client: Connections to the API.
        source: The table.
        target: The file to write.
        system: Code system of diagnoses in rows that state none in the column `icd`.

    Raises:
        NotScorableError: The file is not a table with the required columns.
        UnavailableError, RejectedError: The API gave no answer.
    """
    table = open_table(source)
    tally = Tally(notes=table.notes)
    kept = [name for name in table.names if name not in (contract.TARGET, READ_COLUMN, *RESULT_COLUMNS)]
    stated: dict[str, str | int] = {contract.ICD.name: system} if system != contract.ICD.assumed else {}
    read = (READ_COLUMN,) if stated or contract.ICD.name in kept else ()
    if stated:
        tally.notes.append(tr(_DECLARED, system=describe_level(contract.ICD, system)))
    try:
        with target.open("w", encoding="utf-8-sig", newline="") as out:
            names = [*kept, *read, *RESULT_COLUMNS]
            writer = csv.DictWriter(out, names, extrasaction="ignore", restval="", delimiter=table.separator)
            writer.writeheader()
            rows = table.rows()
            while chunk := list(islice(rows, CHUNK)):
                writer.writerows(await _score_chunk(client, chunk, stated, tally))
                yield tally
    except csv.Error as error:
        raise NotScorableError(tr("The file has a cell that does not end: a quotation mark is missing.")) from error
    if not tally.rows:
        raise NotScorableError(tr("The file has a header but no rows."))


async def _score_chunk(
    client: DemoClient, chunk: Sequence[Row], stated: dict[str, str | int], tally: Tally
) -> list[dict[str, str]]:
    """Return each row with its answer; count them.

    Args:
        client: Connections to the API.
        chunk: Rows of a table: number, cells by column, whether there are surplus cells.
        stated: What a row means that does not say otherwise.
        tally: The counts.
    """
    records = [stated | row_to_record(cells) for _, cells, _ in chunk]
    sent = [record for record, (_, _, surplus) in zip(records, chunk, strict=True) if not surplus]
    content = await client.predict_batch(sent) if sent else {"predictions": [], "errors": []}
    answers = results(content, len(sent))
    written = []
    for record, (number, cells, surplus) in zip(records, chunk, strict=True):
        tally.rows += 1
        copied = {name: harmless(cell) for name, cell in cells.items()}
        copied[READ_COLUMN] = "; ".join(diagnoses.translated(record).values())
        written.append(copied | _columns(_SURPLUS if surplus else next(answers), number, record, tally))
    return written


def row_to_record(row: Mapping[str, str | None]) -> dict[str, str | int]:
    """Build the request from one row of text; ``?`` and empty cells of optional columns are left out.

    A malformed number is sent unchanged, so that the API says what is wrong with it.
    """
    record: dict[str, str | int] = {}
    for column in (*contract.REQUEST_COLUMNS, contract.ICD):
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


def _columns(result: Mapping[str, Any], number: int, record: Mapping[str, str | int], tally: Tally) -> dict[str, str]:
    if errors := result.get("errors"):
        sentence = "; ".join(f"{title(str(error['field']))} {objection(error, record)}".strip() for error in errors)
        tally.failed += 1
        if len(tally.errors) < SHOWN:
            tally.errors.append((number, sentence))
        return {"error": sentence}
    risk, risk_band = float(result["probabilities"]["<30"]), str(result.get("risk_band") or "")
    if risk_band:
        tally.bands[risk_band] += 1
    if len(tally.highest) < SHOWN or risk > tally.highest[-1][0]:
        tally.highest.append((risk, number, str(record.get("encounter_id", "")), risk_band))
        tally.highest.sort(key=lambda entry: -entry[0])
        del tally.highest[SHOWN:]
    probabilities = {_PROBABILITIES[name]: f"{p:.6f}" for name, p in result["probabilities"].items()}
    return {
        "prediction": result["prediction"],
        **probabilities,
        "risk_band": risk_band,
        "model_version": str(result.get("model_version", "")),
    }

"""Scoring of a file: what is sent, what is written, what is refused."""

import asyncio
import csv
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from readmission import contract
from serving.demo.batch import Tally, results, row_to_record, score
from serving.demo.client import DemoClient
from serving.demo.table import open_table


class Api(DemoClient):
    """An API that answers every record but those whose age it does not know."""

    async def predict_batch(self, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        problem = {"field": "age", "problem": "level", "allowed": "an age"}
        refused = [index for index, record in enumerate(records) if record["age"] == "old"]
        answer = {"prediction": "NO", "probabilities": {"NO": 0.7, ">30": 0.2, "<30": 0.1}, "risk_band": "raised"}
        return {
            "predictions": [answer] * (len(records) - len(refused)),
            "errors": [{"index": index, "errors": [problem]} for index in refused],
        }


def collect(steps: AsyncIterator[Tally]) -> list[Tally]:
    async def gather() -> list[Tally]:
        return [step async for step in steps]

    return asyncio.run(gather())


def test_row_of_a_file_becomes_a_request() -> None:
    sent = {"gender": "Female", "age": "[70-80)", "admission_type_id": "x", "max_glu_serum": "None"}
    dropped = {"race": "?", "number_inpatient": "", "readmitted": "NO", "extra": "1"}
    assert row_to_record(sent | dropped | {"time_in_hospital": "3"}) == sent | {"time_in_hospital": 3}


def test_file_is_scored_with_errors_at_their_rows_and_counts_by_band(tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    with source.open("w", newline="") as file:
        writer = csv.DictWriter(file, contract.COLUMN_NAMES, restval="")
        writer.writeheader()
        for age in ("[70-80)", "old", "[10-20)"):
            writer.writerow({**contract.EXAMPLE, "age": age, contract.TARGET: "NO"})
    [tally] = collect(score(Api("http://api"), source, target))
    assert (tally.rows, tally.failed, dict(tally.bands)) == (3, 1, {"raised": 2})
    with target.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [bool(row["error"]) for row in rows] == [False, True, False]
    assert rows[0]["probability_within_30"] == "0.100000"
    assert contract.TARGET not in rows[0]


def test_results_come_in_the_order_of_the_records() -> None:
    content = {"predictions": [{"p": 0}, {"p": 2}], "errors": [{"index": 1, "errors": []}]}
    assert [result.get("p") for result in results(content, 3)] == [0, None, 2]


def scored(tmp_path: Path, content: bytes, name: str = "in.csv") -> tuple[Tally, list[dict[str, str]]]:
    """Score a file of one row for each line of content; return the counts and the rows of the scored file."""
    source, target = tmp_path / name, tmp_path / "out.csv"
    source.write_bytes(content)
    tally = collect(score(Api("http://api"), source, target))[-1]
    with target.open(encoding="utf-8-sig", newline="") as file:
        return tally, list(csv.DictReader(file, delimiter=open_table(source).separator))


REQUIRED = [column.name for column in contract.REQUEST_COLUMNS if column.required]
ROW = ["Female", "[70-80)", "6", "52", "1", "18", "9"]


def test_the_highest_risks_come_first_with_their_rows(tmp_path: Path) -> None:
    lines = "\n".join([",".join([*REQUIRED, "encounter_id"]), *(",".join([*ROW, str(n)]) for n in range(12))])
    tally, rows = scored(tmp_path, lines.encode())
    assert [entry[1:] for entry in tally.highest] == [(n + 2, str(n), "raised") for n in range(10)]
    assert {row["risk_band"] for row in rows} == {"raised"}


def test_surplus_cells_are_an_error_at_the_row_that_a_spreadsheet_shows(tmp_path: Path) -> None:
    content = "\n".join([",".join(REQUIRED), ",".join(ROW), ",".join([*ROW, "more"]), ",".join([*ROW, ""])])
    tally, rows = scored(tmp_path, content.encode())
    assert tally.errors == [(3, "This row has more cells than the first line.")]
    assert [bool(row["error"]) for row in rows] == [False, True, False]


def test_formulas_of_copied_cells_are_harmless(tmp_path: Path) -> None:
    content = ",".join([*REQUIRED, "note"]) + "\n" + ",".join([*ROW, "=1+1"]) + "\n" + ",".join([*ROW, "-5"])
    _, rows = scored(tmp_path, content.encode())
    assert [row["note"] for row in rows] == ["'=1+1", "-5"]


def test_an_error_is_in_the_words_of_the_form(tmp_path: Path) -> None:
    tally, _ = scored(tmp_path, (",".join(REQUIRED) + "\n" + ",".join([ROW[0], "old", *ROW[2:]])).encode())
    assert tally.errors[0][1].startswith("Age is not one of the allowed values. Choose 0–9 years")


class Recorder(Api):
    """An API that remembers what it was sent."""

    def __init__(self) -> None:
        super().__init__("http://api")
        self.sent: list[Mapping[str, Any]] = []

    async def predict_batch(self, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        self.sent += records
        return await super().predict_batch(records)


def test_codes_of_icd10_are_declared_by_row_or_beside_the_upload_and_the_file_says_what_was_read(
    tmp_path: Path,
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(
        "\n".join(
            [",".join([*REQUIRED, "diag_1", "icd"]), ",".join([*ROW, "I50.9", ""]), ",".join([*ROW, "428", "9cm"])]
        )
    )
    api = Recorder()
    [tally] = collect(score(api, source, target, "10cm"))
    assert [record["icd"] for record in api.sent] == ["10cm", "9cm"]
    assert tally.notes == ["Diagnoses were read as ICD-10-CM, except in rows whose column “icd” says otherwise."]
    with target.open(encoding="utf-8-sig", newline="") as file:
        assert [row["diagnoses_icd9"] for row in csv.DictReader(file)] == ["428", ""]
    collect(score(api, source, target))
    assert ["icd" in record for record in api.sent[2:]] == [False, True]

"""Scoring of a file: what is sent, what is written, what is refused."""

import asyncio
import csv
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from readmission import contract
from serving.demo.batch import NotScorableError, Tally, results, row_to_record, score
from serving.demo.client import Client


class Api(Client):
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
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [bool(row["error"]) for row in rows] == [False, True, False]
    assert rows[0]["probability_within_30"] == "0.100000"
    assert contract.TARGET not in rows[0]


def test_results_come_in_the_order_of_the_records() -> None:
    content = {"predictions": [{"p": 0}, {"p": 2}], "errors": [{"index": 1, "errors": []}]}
    assert [result.get("p") for result in results(content, 3)] == [0, None, 2]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a,b\n1,2\n", "missing: gender"),
        (b"\xff\xfe\x00", "not a CSV file"),
        (b"", "missing: gender"),
        ((",".join(contract.COLUMN_NAMES) + "\n").encode(), "no rows"),
    ],
)
def test_wrong_file_is_refused_with_a_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    source = tmp_path / "in.csv"
    source.write_bytes(content)
    with pytest.raises(NotScorableError, match=sentence):
        collect(score(Client("http://127.0.0.1:9"), source, tmp_path / "out.csv"))

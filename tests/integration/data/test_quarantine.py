"""What ingest keeps apart: bad rows with their reasons, repetitions, and files that are none."""

from pathlib import Path

import pytest

from readmission import contract
from readmission.errors import UserError
from readmission.settings import Settings
from readmission.steps import ingest
from tests.integration.data.tools import as_csv, ledger, load, query, rows_of


def test_bad_rows_go_to_quarantine_whole_and_with_reasons(database: Settings, sample: Path) -> None:
    rows = rows_of(sample)
    rows[3]["age"] = "71"
    rows[3]["time_in_hospital"] = "15"
    rows[4]["num_procedures"] = "one"
    rows[5]["diag_1"] = "diabetes"
    rows[6] |= {"number_diagnoses": "1", "diag_1": "428", "diag_2": "403"}
    load(database, as_csv(rows))
    assert ledger(database) == [(20, 16, 4, 0)]
    held = dict(query(database, "SELECT row_number, reasons FROM raw.quarantine"))
    problems = {
        number: [(reason["field"], reason["problem"]) for reason in reasons] for number, reasons in held.items()
    }
    assert problems == {
        4: [("age", "level"), ("time_in_hospital", "range")],
        5: [("num_procedures", "type")],
        6: [("diag_1", "pattern")],
        7: [("number_diagnoses", "contradiction")],
    }
    assert held[4][1]["allowed"] == "an integer from 1 to 14"
    assert query(database, "SELECT content FROM raw.quarantine WHERE row_number = 4") == [(rows[3],)]


def test_repeated_rows_are_duplicates_and_changed_ones_contradict_within_a_delivery(
    database: Settings, sample: Path
) -> None:
    rows = rows_of(sample, 10)
    changed = rows[0] | {"time_in_hospital": "9" if rows[0]["time_in_hospital"] != "9" else "8"}
    load(database, as_csv([*rows, rows[1], changed]))
    assert ledger(database) == [(12, 10, 1, 1)]
    # The same encounters in another file: nothing is added.
    load(database, as_csv([*rows, changed]), "again.csv")
    assert ledger(database)[1] == (11, 0, 1, 10)
    assert query(database, "SELECT count(*) FROM raw.encounters") == [(10,)]


def test_lines_that_are_no_rows_are_quarantined_with_their_number(database: Settings, sample: Path) -> None:
    lines = as_csv(rows_of(sample, 5)).decode().splitlines()
    lines.insert(4, "a,b,c")
    load(database, "\n".join(lines).encode())
    assert ledger(database) == [(6, 5, 1, 0)]
    assert query(database, "SELECT row_number, content, reasons->0->>'problem' FROM raw.quarantine") == [
        (3, {"text": "a,b,c"}, "3 fields")
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>404</html>", "is a web page"),
        (b"PK\x03\x04rubbish", "broken zip"),
        (b"\x00\x01\x02", "not a text file"),
        (b"a,b\n1,2\n", "without the columns encounter_id"),
        (",".join(contract.COLUMN_NAMES).encode() + b"\n", "no rows"),
        ((",".join(contract.COLUMN_NAMES) + ",extra\n" + "1," * 50 + "1\n").encode(), "does not know: extra"),
        (b"encounter_id\n\xff\xfe\n", "UTF-8"),
        ((",".join(contract.COLUMN_NAMES) + ",age\n" + "1," * 50 + "1\n").encode(), "a column more than once: age"),
    ],
)
def test_a_wrong_file_stops_with_a_sentence_and_changes_nothing(
    database: Settings, content: bytes, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        load(database, content)
    assert ledger(database) == []


def test_an_absent_file_names_what_to_do(database: Settings) -> None:
    with pytest.raises(UserError, match="READMISSION_SOURCE"):
        ingest.run(database, source="/nowhere/data.csv")

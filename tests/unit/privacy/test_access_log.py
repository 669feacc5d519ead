"""The access log: every column by name; a batch stands for everybody in it, and nothing is logged without a key."""

import re
from typing import Any

import pytest

from readmission.privacy import access_log
from readmission.privacy.inventory import TABLES
from readmission.settings import Settings


def test_every_column_of_the_table_is_stated_by_name() -> None:
    columns = [name.strip() for name in access_log._INSERT.partition("(")[2].partition(")")[0].split(",")]
    assert re.findall(r"%\((\w+)\)s", access_log._ROW) == columns
    (table,) = (table for table in TABLES if table.name == "privacy.accesses")
    assert {*columns} == {*table.patient, *table.other}


def test_scoring_is_a_row_a_patient_of_a_file_and_a_row_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[dict[str, Any]] = []
    monkeypatch.setattr(access_log, "add_accesses", lambda cursor, accesses: added.extend(accesses))

    class Cursor:
        def execute(self, statement: str, values: object) -> None:
            """Accept the month."""

    for key in ("", "k" * 32):
        settings = Settings(_env_file=None, patient_key=key or None)
        scoring = access_log.Scoring(settings, "7", "Grace")
        scoring.add_batch(Cursor(), 3)
        scoring.add_patients(Cursor(), {12, 5})
    batch, *patients = added
    assert (batch["token"], batch["key_id"], batch["route"]) == ("batch 3", "", "score")
    assert len({row["token"] for row in patients}) == 2 and all(len(row["token"]) == 32 for row in patients)
    assert {(row["client"], row["model_version"], row["request_id"]) for row in added} == {
        ("Grace", "7", batch["request_id"])
    }

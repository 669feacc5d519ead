"""Rows of a file as the contract's columns."""

from pathlib import Path

import pandas as pd
import pytest

from readmission import contract
from readmission.errors import UserError
from readmission.steps import score


def test_an_absent_optional_column_is_unknown_or_what_the_contract_assumes(tmp_path: Path) -> None:
    record = {n: v for n, v in contract.EXAMPLE.items() if n not in ("race", "A1Cresult")}
    pd.DataFrame([record | {"ward": "7"}]).to_csv(tmp_path / "x.csv", index=False)
    rows = score.read(tmp_path / "x.csv")
    assert rows.loc[0, "race"] == contract.MISSING_TOKEN
    assert rows.loc[0, "A1Cresult"] == contract.BY_NAME["A1Cresult"].assumed
    assert rows.loc[0, "ward"] == "7"


def test_an_absent_required_column_is_named(tmp_path: Path) -> None:
    record = {n: v for n, v in contract.EXAMPLE.items() if n != "age"}
    pd.DataFrame([record]).to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(UserError, match="lacks the columns age"):
        score.read(tmp_path / "x.csv")


def test_a_partly_unknown_identifier_identifies_nobody() -> None:
    raw = pd.DataFrame({"encounter_id": ["1", "?"], "patient_nbr": ["1", "2"]})
    assert list(score._without_partial_ids(raw)) == ["patient_nbr"]

"""Score the clean table and files with the champion."""

from pathlib import Path

import pandas as pd
import pytest

from readmission import contract
from readmission.errors import UserError
from readmission.steps import score


def write(path: Path, **columns: object) -> Path:
    values = {c.name: [contract.EXAMPLE.get(c.name, "")] for c in contract.FEATURE_COLUMNS} | columns
    pd.DataFrame(values).to_csv(path, index=False)
    return path


def test_a_file_may_lack_what_a_request_may_lack(tmp_path: Path) -> None:
    needed = {c.name: [contract.EXAMPLE[c.name]] for c in contract.FEATURE_COLUMNS if c.required}
    path = tmp_path / "short.csv"
    pd.DataFrame(needed | {"ward": ["7b"]}).to_csv(path, index=False)
    frame = score.read(path)
    assert frame.loc[0, ["race", "insulin", "A1Cresult", "ward"]].tolist() == ["?", "No", "None", "7b"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"age": ["seventy"]}, r"row 1: age is not allowed; allowed: one of '\[0-10\)'"),
        ({"time_in_hospital": [99]}, "row 1: time_in_hospital is not allowed; allowed: an integer from 1 to 14"),
        ({"diag_1": ["cold"]}, "row 1: diag_1 is not allowed; allowed: an ICD-9 code"),
    ],
)
def test_a_value_outside_the_contract_is_named(tmp_path: Path, columns: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        score.read(write(tmp_path / "bad.csv", **columns))


def test_a_file_without_required_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("race,gender\nAsian,Male\n")
    with pytest.raises(UserError, match="lacks the columns age, time_in_hospital"):
        score.read(tmp_path / "x.csv")

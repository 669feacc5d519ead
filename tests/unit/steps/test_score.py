"""Rows of a file as the contract's columns."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from readmission import contract, models
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


def test_the_judged_model_states_the_odds_of_the_one_that_serves() -> None:
    random = np.random.default_rng(3)
    matrix, y = random.normal(size=(600, 2)), random.integers(0, len(contract.CLASSES), 600)
    judged, served, tree = (
        models.build(family, names=("age", "number_inpatient")) for family in ("lightgbm", "xgboost", "decision_tree")
    )
    for pipeline in (judged, served, tree):
        pipeline.named_steps["classify"].fit(matrix, y)
    served.named_steps["classify"].recalibrate(1.2, -0.4, -0.2)
    before = judged.named_steps["classify"].predict_proba(matrix)
    after = score.recalibrate_alike(judged, served).named_steps["classify"].predict_proba(matrix)
    assert np.log(after[:, 2] / (1 - after[:, 2])) == pytest.approx(np.log(before[:, 2] / (1 - before[:, 2])) - 0.2)
    assert np.array_equal(score.recalibrate_alike(judged, tree).named_steps["classify"].predict_proba(matrix), after)

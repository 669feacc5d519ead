"""Where the odds of any readmission are moved, the early risk stands, in the Pipeline and compiled."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from readmission import models, scorer
from readmission.data import synthetic
from readmission.features import encoding
from readmission.scorer import compiler
from readmission.scorer.pipeline import dump_pipeline, load_pipeline, to_values
from readmission.scorer.rows import columns_of


def odds_of_no(probabilities: Any) -> Any:
    return np.log(probabilities[:, 0] / (1 - probabilities[:, 0]))


@pytest.mark.parametrize(("family", "shift"), [("lightgbm", -1.5), ("xgboost", 0.7)])
def test_moved_odds_of_any_readmission_leave_the_early_risk_and_compile(
    tmp_path: Path, family: str, shift: float
) -> None:
    text = pd.read_csv(io.BytesIO(synthetic.generate(900, seed=3)), dtype=str, keep_default_na=False, skiprows=1)
    frame = encoding.typed_frame(text)
    fitted = models.build(family, {"n_estimators": 15}).fit(frame, encoding.target(frame))
    before = fitted.predict_proba(frame)
    fitted.named_steps["classify"].any_shift_ = shift
    after = fitted.predict_proba(frame)
    # Where P(>30) is 0, one risk bounds the other.
    free = (after[:, 1] > 1e-9) & (before[:, 1] > 1e-9)
    assert free.any() and np.abs(after[free, 2] - before[free, 2]).max() < 1e-12 and (after >= 0).all()
    assert (odds_of_no(before) - odds_of_no(after))[free] == pytest.approx(shift)

    compiler.compile_pipeline(fitted, tmp_path, family=family, sample=frame[:300], metrics={}, synthetic=True)
    loaded = scorer.load(tmp_path)
    assert np.abs(loaded.score_many(columns_of(to_values(frame))) - after).max() <= 1e-6
    assert np.abs(np.array([loaded.score(row) for row in to_values(frame[:50])]) - after[:50]).max() <= 1e-6
    dump_pipeline(fitted, tmp_path / "moved.skops")
    assert np.abs(load_pipeline(tmp_path / "moved.skops").predict_proba(frame) - after).max() < 1e-12

"""Where the odds of any readmission are moved, the early risk counts, in the Pipeline and compiled."""

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


def odds(probabilities: Any, outcome: int) -> Any:
    return np.log(probabilities[:, outcome] / (1 - probabilities[:, outcome]))


@pytest.mark.parametrize(
    ("family", "shift", "slope", "early"),
    [("lightgbm", -1.5, 1.0, 0.0), ("xgboost", 0.7, 1.0, 0.0), ("lightgbm", -0.8, 1.4, -0.2), ("xgboost", 0, 0.8, 0.1)],
)
def test_recalibrated_odds_are_those_of_the_pipeline_and_compile(
    tmp_path: Path, family: str, shift: float, slope: float, early: float
) -> None:
    text = pd.read_csv(io.BytesIO(synthetic.generate(900, seed=3)), dtype=str, keep_default_na=False, skiprows=1)
    frame = encoding.typed_frame(text)
    fitted = models.build(family, {"n_estimators": 15}).fit(frame, encoding.target(frame))
    before = fitted.predict_proba(frame)
    fitted.named_steps["classify"].recalibrate(slope, shift, early)
    after = fitted.predict_proba(frame)
    # Where P(>30) is 0, one risk bounds the other.
    free = (after[:, 1] > 1e-9) & (before[:, 1] > 1e-9)
    assert free.any() and (after >= 0).all()
    assert (slope * odds(before, 0) - odds(after, 0))[free] == pytest.approx(shift)
    assert (odds(after, 2) - odds(before, 2))[free] == pytest.approx(early, abs=1e-9)

    compiler.compile_pipeline(fitted, tmp_path, family=family, sample=frame[:300], metrics={}, synthetic=True)
    loaded = scorer.load(tmp_path)
    assert np.abs(loaded.score_many(columns_of(to_values(frame))) - after).max() <= 1e-6
    assert np.abs(np.array([loaded.score(row) for row in to_values(frame[:50])]) - after[:50]).max() <= 1e-6
    explained = [loaded.explain(row) for row in to_values(frame[:20])]
    assert [each.margin for each in explained if each] == pytest.approx(odds(after[:20], 2), abs=1e-6)
    dump_pipeline(fitted, tmp_path / "moved.skops")
    assert np.abs(load_pipeline(tmp_path / "moved.skops").predict_proba(frame) - after).max() < 1e-12

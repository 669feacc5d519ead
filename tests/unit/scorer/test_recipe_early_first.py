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


@pytest.mark.parametrize(
    ("family", "shift", "slope"),
    [("lightgbm", -1.5, 1.0), ("xgboost", 0.7, 1.0), ("lightgbm", -0.8, 1.4), ("xgboost", 0.0, 0.8)],
)
def test_recalibrated_odds_of_any_readmission_leave_the_early_risk_and_compile(
    tmp_path: Path, family: str, shift: float, slope: float
) -> None:
    text = pd.read_csv(io.BytesIO(synthetic.generate(900, seed=3)), dtype=str, keep_default_na=False, skiprows=1)
    frame = encoding.typed_frame(text)
    fitted = models.build(family, {"n_estimators": 15}).fit(frame, encoding.target(frame))
    before = fitted.predict_proba(frame)
    heads = fitted.named_steps["classify"]
    heads.any_shift_, heads.any_slope_ = shift, slope
    after = fitted.predict_proba(frame)
    # Where P(>30) is 0, one risk bounds the other.
    free = (after[:, 1] > 1e-9) & (before[:, 1] > 1e-9)
    assert free.any() and np.abs(after[free, 2] - before[free, 2]).max() < 1e-12 and (after >= 0).all()
    assert (slope * odds_of_no(before) - odds_of_no(after))[free] == pytest.approx(shift)

    compiler.compile_pipeline(fitted, tmp_path, family=family, sample=frame[:300], metrics={}, synthetic=True)
    loaded = scorer.load(tmp_path)
    assert np.abs(loaded.score_many(columns_of(to_values(frame))) - after).max() <= 1e-6
    assert np.abs(np.array([loaded.score(row) for row in to_values(frame[:50])]) - after[:50]).max() <= 1e-6
    for row, early in zip(to_values(frame[:20]), after[:20, 2], strict=True):
        attribution = loaded.explain(row)
        assert attribution is not None and attribution.margin == pytest.approx(np.log(early / (1 - early)), abs=1e-6)
    dump_pipeline(fitted, tmp_path / "moved.skops")
    assert np.abs(load_pipeline(tmp_path / "moved.skops").predict_proba(frame) - after).max() < 1e-12

"""Three heads are joined and explained as in their Pipeline, and a model of two heads is what it was."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from readmission import models, scorer
from readmission.data import synthetic
from readmission.features import encoding
from readmission.files import file_sha256
from readmission.scorer import compiler
from readmission.scorer.invented import invented_rows
from readmission.scorer.pipeline import to_frame, to_values
from readmission.scorer.rows import columns_of


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    text = pd.read_csv(io.BytesIO(synthetic.generate(900, seed=3)), dtype=str, keep_default_na=False, skiprows=1)
    return encoding.typed_frame(text)


def test_a_model_of_two_heads_of_the_version_before_is_served_and_explained_as_it_was(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    """Its recipe has no weights of outputs: each output is a margin."""
    three = models.build("lightgbm", {"n_estimators": 20})
    encode, heads = three.named_steps["encode"], three.named_steps["classify"]
    two = models.TwoHeads(heads.estimator, heads.categorical)
    fitted = Pipeline([("encode", encode), ("classify", two)]).fit(frame, encoding.target(frame))
    compiler.compile_pipeline(fitted, tmp_path, family="lightgbm", sample=frame[:300], metrics={}, synthetic=True)
    recipe = json.loads((tmp_path / "scorer.json").read_text())
    assert recipe.pop("mix") == [] and recipe["link"] == "two_heads"
    (tmp_path / "scorer.json").write_text(json.dumps(recipe))
    stored = json.loads((tmp_path / "manifest.json").read_text())
    stored["files"]["scorer.json"] = file_sha256(tmp_path / "scorer.json")
    (tmp_path / "manifest.json").write_text(json.dumps(stored))
    loaded = scorer.load(tmp_path)
    assert loaded.manifest.trees == 40
    expected = fitted.predict_proba(frame)
    assert np.abs(loaded.score_many(columns_of(to_values(frame))) - expected).max() <= 1e-6
    for row, probabilities in zip(to_values(frame[:20]), expected[:20], strict=True):
        assert loaded.score(row) == pytest.approx(probabilities, abs=1e-9)
        explanation = loaded.explain(row)
        matrix = encode.transform(to_frame([row]))
        shares = two.early_.booster_.predict(matrix, pred_contrib=True)[0]
        assert explanation is not None and explanation.base == pytest.approx(shares[-1])
        assert explanation.contributions["age"] == pytest.approx(shares[models.SERVED.index("age")], abs=1e-9)


def test_three_heads_are_explained_by_the_weighted_shares_of_each(frame: pd.DataFrame, tmp_path: Path) -> None:
    fitted = models.build("lightgbm", {"n_estimators": 20}).fit(frame, encoding.target(frame))
    compiler.compile_pipeline(fitted, tmp_path, family="lightgbm", sample=frame[:300], metrics={}, synthetic=True)
    encode, heads = fitted.named_steps["encode"], fitted.named_steps["classify"]
    row = invented_rows(1, seed=8)[0]
    matrix = encode.transform(to_frame([row]))
    shares = [head.booster_.predict(matrix, pred_contrib=True)[0] for head in heads.heads]
    explanation = scorer.load(tmp_path).explain(row)
    assert explanation is not None
    expected = np.dot(heads.weights_, shares)
    assert explanation.base == pytest.approx(expected[-1] + heads.intercept_)
    assert explanation.contributions["age"] == pytest.approx(expected[models.SERVED.index("age")], abs=1e-9)

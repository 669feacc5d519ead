"""A classifier that nothing compiles is served as it is."""

import io
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from readmission import models, scorer
from readmission.data import synthetic
from readmission.features import encoding
from readmission.scorer import compiler
from readmission.scorer.invented import invented_rows
from readmission.scorer.manifest import ArtifactError
from readmission.scorer.pipeline import to_frame
from readmission.scorer.rows import columns_of
from readmission.training import gate_metrics


def test_a_family_without_a_compiler_is_served_by_its_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.naive_bayes import GaussianNB

    text = pd.read_csv(io.BytesIO(synthetic.generate(300, seed=5)), dtype=str, keep_default_na=False, skiprows=1)
    frame = encoding.typed_frame(text)
    encode = models.Encoder(("age", "time_in_hospital"))
    complete = frame.fillna({"age": "[50-60)"})
    fitted = Pipeline([("encode", encode), ("classify", GaussianNB())]).fit(complete, encoding.target(frame))
    rows = invented_rows(50)
    folder = tmp_path / "nb"
    compiler_rows, compiler._INVENTED_ROWS = compiler._INVENTED_ROWS, 50
    try:
        manifest = compiler.compile_pipeline(
            fitted, folder, family="naive_bayes", sample=complete[:50], metrics={}, synthetic=True
        )
    finally:
        compiler._INVENTED_ROWS = compiler_rows
    assert manifest.engine == "pipeline"
    loaded = scorer.load(folder)
    assert np.allclose(loaded.score_many(columns_of(rows)), fitted.predict_proba(to_frame(rows)))
    assert loaded.explain(rows[0]) is None
    # The image of the API has no pandas: the gate of speed keeps such a model from being promoted, and a worker that
    # gets one all the same says why it serves the one before.
    assert gate_metrics.serving_metrics(folder)["scorer_microseconds"] > 1000
    monkeypatch.delitem(sys.modules, "readmission.scorer.pipeline")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ArtifactError, match="which needs pandas; the API's image has compiled engines"):
        scorer.load(folder)

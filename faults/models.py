"""Second model, small and with other answers than the champion's."""

import io
from pathlib import Path

import pandas as pd

from readmission import models
from readmission.data import synthetic
from readmission.evaluation import operating_points
from readmission.evaluation.metrics import Scored
from readmission.features import encoding, history
from readmission.scorer import compiler


def compile_other(folder: Path) -> Path:
    """Compile a decision tree of synthetic data, once, and return its folder."""
    target = folder / "other-model"
    if target.is_dir():
        return target
    text = pd.read_csv(io.BytesIO(synthetic.generate(1500, seed=5)), dtype=str, keep_default_na=False, skiprows=1)
    frame = history.add(encoding.typed_frame(text))
    fitted = models.build("decision_tree", {}).fit(frame, encoding.target(frame))
    scored = Scored(encoding.target(frame), fitted.predict_proba(frame), frame["patient_nbr"].to_numpy())
    partial = folder / "other-model.part"
    partial.mkdir()
    compiler.compile_pipeline(
        fitted,
        partial,
        family="decision_tree",
        sample=frame[:100],
        metrics={"test_roc_auc_30": 0.6},
        synthetic=True,
        visits=history.pack(frame),
        points=operating_points.choose_points(scored),
        bands=operating_points.choose_bands(scored),
        prevalence=float(scored.event.mean()),
    )
    partial.rename(target)
    return target

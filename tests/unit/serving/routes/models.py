"""A loaded model with a real manifest, for routes that describe or explain it."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from readmission import contract
from readmission.contract.risk import RiskBand
from readmission.scorer.manifest import Manifest, Parity
from readmission.scorer.recipe import Attribution
from serving.metrics import Metrics
from serving.predict.loaded_models import LoadedModel, LoadedModels
from serving.predict.predictor import Predictor

MANIFEST = Manifest(
    contract_version=contract.CONTRACT_VERSION,
    model_name="m",
    family="lightgbm",
    engine="lightgbm",
    classes=contract.CLASSES,
    trees=3,
    synthetic=True,
    metrics={"test_roc_auc_30": 0.6},
    run_id="r1",
    compiled_at="2026-11-27T00:00:00+00:00",
    parity=Parity(20, 0.0),
    files={},
    bands=(RiskBand("usual", 0.0), RiskBand("high", 0.2)),
    prevalence=0.11,
)


class Scorer:
    """Scorer whose attribution is known; None stands for a family that cannot explain itself."""

    manifest = MANIFEST

    def __init__(self, attribution: Attribution | None = None) -> None:
        self.attribution = attribution

    def explain(self, values: Any) -> Attribution | None:
        return self.attribution


def predictor(folder: Path, scorer: Any = None, cards: Mapping[str, bytes] = MappingProxyType({})) -> Predictor:
    """Return a predictor with this scorer as champion, or without a model."""
    models = LoadedModels(folder, "m")
    if scorer is not None:
        models.champion = LoadedModel(
            name="m", version="7", scorer=scorer, loaded_at="now", inline=True, bands=("",), edges=(), cards=cards
        )
    return Predictor(models, Metrics(folder), None)

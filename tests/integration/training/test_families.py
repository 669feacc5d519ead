"""A model family is one record."""

from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient
from sklearn.ensemble import ExtraTreesClassifier

from readmission import contract, models, scorer
from readmission.features.encoding import Feature
from readmission.settings import Settings
from readmission.steps import promote, search, train
from tests.integration.training.conftest import clean


def _extra_trees(params: models.Params, seed: int, jobs: int, columns: tuple[Feature, ...]) -> ExtraTreesClassifier:
    return ExtraTreesClassifier(**{"n_estimators": 5, "min_samples_leaf": 30, "random_state": seed, **params})


def test_a_new_family_is_one_record(
    system: Settings, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = models.Family(
        build=_extra_trees, search_space={"min_samples_leaf": models.Range(20, 60)}, cost=9, compared=False
    )
    monkeypatch.setattr(models, "FAMILIES", {**models.FAMILIES, "extra_trees": record})
    config = clean(system, sample, 1)
    assert train._families("decision_tree,extra_trees", "local") == ["extra_trees", "decision_tree"]
    train.run(config, families="extra_trees")
    search.run(config, family="extra_trees", trials=2)
    train.run(config, families="extra_trees", searched=True)
    version = promote.run(config, by="a test")
    client = MlflowClient(config.mlflow.tracking_uri)
    run_id = client.get_model_version(config.mlflow.model_name, version).run_id
    assert run_id and client.get_run(run_id).data.params["family"] == "extra_trees"
    folder = Path(mlflow.artifacts.download_artifacts(f"runs:/{run_id}/serving", dst_path=str(tmp_path)))
    loaded = scorer.load(folder, config.patient_keys)
    assert loaded.manifest.family == "extra_trees" and loaded.manifest.engine == "lightgbm"
    answer = loaded.score(tuple(contract.EXAMPLE.get(name) for name in contract.FEATURE_NAMES))
    assert sum(answer) == pytest.approx(1)

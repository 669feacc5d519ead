"""A candidate and the champion are compared on all patients, by fits that have not seen them."""

from pathlib import Path

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from readmission.evaluation import metrics
from readmission.promotion import comparison, folds
from readmission.promotion.champion import find_champion
from readmission.registry import runs, tracking
from readmission.settings import Settings
from readmission.steps import ingest, process, promote, train
from readmission.training import dataset, refit


def test_all_patients_decide_between_two_models_each_by_fits_that_have_not_seen_them(
    system: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train.run(system, families="lightgbm")["lightgbm"]
    promote.run(system)
    client = MlflowClient(system.mlflow.tracking_uri)
    whole, held_out = dataset.load(system), dataset.load(system, held_out=True)
    champion = find_champion(client, system, held_out, fresh(tmp_path, "first"))
    assert champion is not None and champion.unseen is not None
    expected = refit.refit(whole, tracking.load_pipeline(tracking.model_uri(client, first)), 2).unseen
    assert np.array_equal(champion.unseen.y, expected.y) and len(expected.y) == len(whole.y)
    assert np.abs(champion.unseen.probabilities - expected.probabilities).max() <= 1e-6

    # With a batch more, the same fits answer for every patient of it, too: a patient keeps the fold.
    ingest.run(system, batch=2)
    process.run(system)
    run_id = train.run(system, families="decision_tree")["decision_tree"]
    data = dataset.load(system, held_out=True)
    champion = find_champion(client, system, data, fresh(tmp_path, "second"))
    assert champion is not None and champion.unseen is not None and champion.validation is not None
    assert len(champion.unseen.y) == int(data.counts["size"].sum()) > len(whole.y)
    candidate = runs.find(system, run_id)
    assert candidate is not None
    pipeline = tracking.load_pipeline(tracking.model_uri(client, run_id))
    validation = data.scored("validation", pipeline.predict_proba(data.frames["validation"]))
    conditions, figures = comparison.compare(system, client, data, candidate, pipeline, validation, champion)
    assert conditions == {"champion", "new_data"}
    ours = folds.score(system, client, run_id, data, data.visits, fresh(tmp_path, "third"))
    assert ours is not None
    difference = metrics.compare(ours, champion.unseen, "roc_auc_30", seed=system.seed)
    # These are the answers of the fits that were just made: `ours` are those of their compiled models.
    assert (figures["difference"], figures["difference_low"]) == pytest.approx((difference.value, difference.low))

    # A champion of the version before this one has no such fits.
    monkeypatch.setattr(folds, "FOLDER", "none")
    before = find_champion(client, system, data, fresh(tmp_path, "fourth"))
    assert before is not None and before.unseen is None
    _, figures = comparison.compare(system, client, data, candidate, pipeline, validation, before)
    on_validation = metrics.compare(validation, champion.validation, "roc_auc_30", seed=system.seed)
    assert figures["difference"] == pytest.approx(on_validation.value)


def fresh(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder

"""The fit on every patient: the same twice, and no row of the folds scored by a fit that has seen its patient."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from readmission import models
from readmission.errors import RefusalError
from readmission.evaluation import metrics, protocols, recalibration
from readmission.training import refit
from readmission.training.dataset import Dataset

ROWS = 12_000


def dataset(rows: int = ROWS, *, shared: bool = False) -> Dataset:
    """Return what `refit` reads of a dataset: rows by split, whose places are those of the splits mixed.

    Args:
        rows: Encounters.
        shared: Whether the outcome is the patient's own and no feature but the patient's number tells it.
    """
    random = np.random.default_rng(3)
    patients = random.integers(0, rows // 3, rows)
    x = random.normal(size=(rows, len(models.SERVED)))
    drawn = random.random(rows // 3)[patients] if shared else random.random(rows)
    if shared:
        x[:, 0] = patients
    any_ = 0.5 if shared else 1 / (1 + np.exp(-x[:, 0]))
    places = random.permutation(rows)
    # The newest fewer come back at all.
    any_ = any_ if shared else np.where(places >= rows - 5_000, any_ / 2, any_)
    bounds = {"train": slice(0, rows // 2), "validation": slice(rows // 2, rows * 3 // 4)}
    content: Any = SimpleNamespace(
        matrix=x,
        y=np.where(drawn < any_ * 0.3, 2, np.where(drawn < any_, 1, 0)),
        patients=patients,
        places=places,
        bounds={**bounds, "test": slice(rows * 3 // 4, rows)},
        batches=[1],
    )
    return cast(Dataset, content)


def test_the_same_data_gives_the_same_model_and_the_judged_one_is_left_alone() -> None:
    data, judged = dataset(), models.build("lightgbm", {"n_estimators": 10}, seed=11)
    first, second = (refit.refit(data, judged, jobs) for jobs in (1, 2))
    heads, same = (fitted.pipeline.named_steps["classify"] for fitted in (first, second))
    assert heads.early_.booster_.model_to_string() == same.early_.booster_.model_to_string()
    assert heads.any_shift_ == same.any_shift_ != 0.0
    assert np.array_equal(first.unseen.probabilities, second.unseen.probabilities)
    assert heads.early_.get_params()["n_estimators"] == 10 and heads.early_.get_params()["random_state"] == 11
    assert not hasattr(judged.named_steps["classify"], "early_")


def test_every_row_is_scored_by_a_fit_without_its_patient() -> None:
    data = dataset(6_000, shared=True)
    fitted = refit.refit(data, models.build("decision_tree", {"min_samples_leaf": 1, "max_depth": None}), 1)
    risks = fitted.pipeline.named_steps["classify"].predict_proba(data.matrix)[:, 2]
    # A tree that may know each patient tells the outcomes of those it was fitted on, and of no other.
    assert (
        metrics.measure(metrics.Scored(data.y, np.c_[1 - risks, 0 * risks, risks], data.patients))["roc_auc_30"] > 0.95
    )
    assert abs(metrics.measure(fitted.unseen)["roc_auc_30"] - 0.5) < 0.05


def test_rows_stand_in_the_order_of_time_and_the_newest_decide_the_recalibration() -> None:
    data = dataset()
    fitted = refit.refit(data, models.build("lightgbm", {"n_estimators": 30}), 2)
    order = np.argsort(data.places)
    assert np.array_equal(fitted.unseen.y, data.y[order]) and fitted.test.sum() == ROWS // 4
    assert set(fitted.unseen.patients[fitted.test]) == set(data.patients[data.bounds["test"]])
    newest = recalibration.newest(fitted.unseen, recalibration.RECENT_OF_ALL)
    # The rows of a fold are recalibrated by those of the others, so the mean is right within chance alone.
    assert newest.any.mean() == pytest.approx((newest.y > 0).mean(), abs=0.02)
    lines = [
        (h.any_slope_, h.any_shift_) for h in (p.named_steps["classify"] for p in (fitted.pipeline, *fitted.folds))
    ]
    assert len(set(lines)) == 4 and all(shift < -0.3 for _, shift in lines)
    assert len({h.named_steps["classify"].early_shift_ for h in (fitted.pipeline, *fitted.folds)}) == 1
    assert newest.early.mean() == pytest.approx(newest.event.mean(), abs=0.001)


def test_a_fold_belongs_to_a_patient_and_not_to_a_model() -> None:
    patients = np.arange(900)
    first = [set(test) for _, test in protocols.folds(patients, refit.FOLD_SEED)]
    later = [set(test) for _, test in protocols.folds(np.arange(2_000), refit.FOLD_SEED)]
    assert all(early <= late for early, late in zip(first, later, strict=True))


def test_too_little_data_is_refused() -> None:
    with pytest.raises(RefusalError, match=r"Batches \[1\] are too small to fit on all patients"):
        refit.refit(dataset(6), models.build("decision_tree"), 1)

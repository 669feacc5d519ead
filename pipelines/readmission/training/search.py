"""Search parameters of one family by patient-grouped folds of train and validation. Test is never looked at."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.trial import Trial, TrialState
from threadpoolctl import threadpool_limits

from readmission import models
from readmission.evaluation import metrics, protocols
from readmission.evaluation.metrics import Scored
from readmission.training.dataset import Dataset

Space = Callable[[Trial], dict[str, Any]]


def _boosting(trial: Trial) -> dict[str, Any]:
    return {"learning_rate": trial.suggest_float("learning_rate", 0.02, 0.2, log=True)}


def _lightgbm(trial: Trial) -> dict[str, Any]:
    return _boosting(trial) | {
        # Two heads: as many trees again. The API answers by each of them.
        "n_estimators": trial.suggest_int("n_estimators", 40, 150, step=10),
        "num_leaves": trial.suggest_int("num_leaves", 7, 63, log=True),
        "min_child_samples": trial.suggest_int("min_child_samples", 20, 400, log=True),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.2, 1.0),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.1, 100.0, log=True),
    }


def _xgboost(trial: Trial) -> dict[str, Any]:
    return _boosting(trial) | {
        "n_estimators": trial.suggest_int("n_estimators", 50, 250, step=10),
        "max_depth": trial.suggest_int("max_depth", 3, 8),
        "min_child_weight": trial.suggest_float("min_child_weight", 1.0, 100.0, log=True),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.2, 1.0),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.1, 100.0, log=True),
    }


def _gradient_boosting(trial: Trial) -> dict[str, Any]:
    return _boosting(trial) | {
        "max_iter": trial.suggest_int("max_iter", 40, 150, step=10),
        "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 7, 63, log=True),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 20, 400, log=True),
        "l2_regularization": trial.suggest_float("l2_regularization", 0.1, 100.0, log=True),
    }


def _random_forest(trial: Trial) -> dict[str, Any]:
    return {
        "n_estimators": trial.suggest_int("n_estimators", 40, 200, step=20),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 10, 100, log=True),
        "max_features": trial.suggest_float("max_features", 0.1, 0.6),
    }


def _decision_tree(trial: Trial) -> dict[str, Any]:
    return {
        "max_depth": trial.suggest_int("max_depth", 4, 14),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 50, 600, log=True),
    }


def _logistic_regression(trial: Trial) -> dict[str, Any]:
    return {"C": trial.suggest_float("C", 1e-4, 10.0, log=True)}


#: Family -> the parameters that are searched, and within which bounds.
SPACES: Mapping[str, Space] = {
    "logistic_regression": _logistic_regression,
    "decision_tree": _decision_tree,
    "random_forest": _random_forest,
    "gradient_boosting": _gradient_boosting,
    "lightgbm": _lightgbm,
    "xgboost": _xgboost,
}


def objective(data: Dataset, family: str, metric: str, seed: int) -> Callable[[Trial], float]:
    """Return what a study makes as good as it can: the mean of a metric over patient-grouped folds.

    A trial is pruned between folds. A trial without parameters of its own is the family's defaults.

    Args:
        data: the snapshot; of its rows, those of train and validation are used.
        family: key of models.FAMILIES.
        metric: of `evaluation.measure`, oriented so that more is better.
        seed: of the folds and of the models.
    """
    # Those before test, in the snapshot's order.
    rows = np.argsort(data.places[: data.rows("test").start])
    patients = data.patients
    parts = [(rows[train], rows[test]) for train, test in protocols.folds(patients[rows], seed)]
    sign = -1.0 if metric in metrics.LOWER_IS_BETTER else 1.0

    def value(trial: Trial) -> float:
        params = {} if trial.user_attrs.get("defaults") else SPACES[family](trial)
        found: list[float] = []
        for step, (train, test) in enumerate(parts):
            with threadpool_limits(1):
                classifier = models.build(family, params, seed=seed).named_steps["classify"]
                classifier.fit(data.matrix[train], data.y[train])
                scored = Scored(data.y[test], classifier.predict_proba(data.matrix[test]), patients[test])
            found.append(sign * metrics.measure(scored)[metric])
            trial.report(float(np.mean(found)), step)
            if step + 1 < len(parts) and trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(found))

    return value


def history(study: optuna.Study) -> pd.DataFrame:
    """Return the finished trials: number, value (of a pruned one the last seen), pruned, defaults, best so far."""
    finished = [t for t in study.trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED) and t.value is not None]
    table = pd.DataFrame(
        {
            "number": [t.number for t in finished],
            "value": [t.value for t in finished],
            "pruned": [t.state == TrialState.PRUNED for t in finished],
            "defaults": [bool(t.user_attrs.get("defaults")) for t in finished],
        }
    )
    return table.assign(best=table["value"].where(~table["pruned"]).cummax().ffill())

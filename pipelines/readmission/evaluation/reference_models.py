"""Members of the offline reference: an ensemble that is too slow to serve and shows what is achievable. Pure.

Every member treats codes without an order (`models.NATIVE`) as sets, has a smaller learning rate and more trees than
the served model, as many in each of its three heads.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from readmission import models
from readmission.evaluation.metrics import Scored


def _lightgbm(names: tuple[str, ...], seed: int) -> Any:
    params = {"n_estimators": 400, "learning_rate": 0.025}
    heads = models.build("lightgbm", params, seed=seed, names=names).named_steps["classify"]
    return models.ThreeHeads(heads.estimator, heads.categorical)


def _xgboost(names: tuple[str, ...], seed: int) -> Any:
    kinds = ["c" if name in models.NATIVE else "q" for name in names]
    params: dict[str, Any] = {
        "n_estimators": 300,
        "learning_rate": 0.04,
        "max_cat_to_onehot": 1,
        "max_cat_threshold": 32,
    }
    params |= {"enable_categorical": True, "feature_types": kinds}
    return models.ThreeHeads(models.build("xgboost", params, seed=seed, names=names).named_steps["classify"].estimator)


def _gradient_boosting(names: tuple[str, ...], seed: int) -> Any:
    params: dict[str, Any] = {
        "max_iter": 250,
        "learning_rate": 0.04,
        "max_features": 0.3,
        "categorical_features": _native(names),
    }
    return models.ThreeHeads(models.build("gradient_boosting", params, seed=seed, names=names).named_steps["classify"])


def _native(names: tuple[str, ...]) -> list[int]:
    return [i for i, name in enumerate(names) if name in models.NATIVE]


#: Member of the ensemble -> builder of its unfitted classifier: (names of the matrix's columns, seed).
MEMBERS: Mapping[str, Callable[[tuple[str, ...], int], Any]] = {
    "lightgbm": _lightgbm,
    "xgboost": _xgboost,
    "gradient boosting": _gradient_boosting,
}


def catboost(seed: int) -> Any | None:
    """Return an unfitted CatBoost, a family that is not served; None if it is not installed."""
    if find_spec("catboost") is None:
        return None
    from catboost import CatBoostClassifier

    params = {"iterations": 400, "learning_rate": 0.06, "depth": 6, "l2_leaf_reg": 10, "random_seed": seed}
    return models.TwoHeads(CatBoostClassifier(**params, thread_count=1, verbose=False, allow_writing_files=False))


def average(members: Sequence[Scored]) -> Scored:
    """Average the probabilities of models scored on the same rows."""
    first = members[0]
    return Scored(first.y, np.mean([member.probabilities for member in members], axis=0), first.patients)

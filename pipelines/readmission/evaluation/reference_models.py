"""Build the members of the offline reference: an ensemble that is too slow to serve and says what can be reached. Pure.

Every member knows codes without an order (`models.NATIVE`) as sets, learns slowly with more trees than the served
model, and answers by three heads.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit
from sklearn.base import clone

from readmission import contract, models
from readmission.evaluation.metrics import Scored
from readmission.features.encoding import Matrix


class ThreeHeads(models.TwoHeads):
    """Predict early readmission twice: by itself, and as P(any readmission) P(early, given any); average log-odds.

    The second way learns from all readmissions what is common to them, and its errors are others. It has the same
    ROC-AUC alone and a lower PR-AUC, hence half the weight. The arguments are those of TwoHeads.
    """

    def fit(self, X: Matrix, y: npt.NDArray[np.int64]) -> "ThreeHeads":  # noqa: N803
        """Fit the heads; y: positions in contract.CLASSES."""
        super().fit(X, y)
        again = y != contract.CLASSES.index("NO")
        told = {"categorical_feature": list(self.categorical)} if self.categorical else {}
        self.soon_ = clone(self.estimator).fit(X[again], (y[again] == contract.EARLY).astype(np.int64), **told)
        return self

    def predict_proba(self, X: Matrix) -> Matrix:  # noqa: N803
        """Return (n, 3) probabilities in the order of contract.CLASSES."""
        any_, early, soon = (
            np.asarray(head.predict_proba(X), dtype=np.float64)[:, 1] for head in (self.any_, self.early_, self.soon_)
        )
        early = np.minimum(expit((2 * logit(early) + logit(any_ * soon)) / 3), any_)
        return np.column_stack([1.0 - any_, any_ - early, early])


def _lightgbm(names: tuple[str, ...], seed: int) -> Any:
    params = {"n_estimators": 400, "learning_rate": 0.025}
    heads = models.build("lightgbm", params, seed=seed, names=names).named_steps["classify"]
    return ThreeHeads(heads.estimator, heads.categorical)


def _xgboost(names: tuple[str, ...], seed: int) -> Any:
    kinds = ["c" if name in models.NATIVE else "q" for name in names]
    params: dict[str, Any] = {
        "n_estimators": 300,
        "learning_rate": 0.04,
        "max_cat_to_onehot": 1,
        "max_cat_threshold": 32,
    }
    params |= {"enable_categorical": True, "feature_types": kinds}
    return ThreeHeads(models.build("xgboost", params, seed=seed, names=names).named_steps["classify"].estimator)


def _gradient_boosting(names: tuple[str, ...], seed: int) -> Any:
    params: dict[str, Any] = {
        "max_iter": 250,
        "learning_rate": 0.04,
        "max_features": 0.3,
        "categorical_features": _native(names),
    }
    return ThreeHeads(models.build("gradient_boosting", params, seed=seed, names=names).named_steps["classify"])


def _native(names: tuple[str, ...]) -> list[int]:
    return [i for i, name in enumerate(names) if name in models.NATIVE]


#: Member of the ensemble -> builder of its unfitted classifier: (names of the matrix's columns, seed).
MEMBERS: Mapping[str, Callable[[tuple[str, ...], int], Any]] = {
    "lightgbm": _lightgbm,
    "xgboost": _xgboost,
    "gradient boosting": _gradient_boosting,
}


def catboost(seed: int) -> Any | None:
    """Return an unfitted CatBoost, a family that is not served; None when it is not installed."""
    if find_spec("catboost") is None:
        return None
    from catboost import CatBoostClassifier

    params = {"iterations": 400, "learning_rate": 0.06, "depth": 6, "l2_leaf_reg": 10, "random_seed": seed}
    return models.TwoHeads(CatBoostClassifier(**params, thread_count=1, verbose=False, allow_writing_files=False))


def average(members: Sequence[Scored]) -> Scored:
    """Average the probabilities of models scored on the same rows."""
    first = members[0]
    return Scored(first.y, np.mean([one.probabilities for one in members], axis=0), first.patients)

"""Members of the offline reference: an ensemble that is too slow to serve and shows what is achievable. Pure.

Every member treats codes without an order (`models.NATIVE`) as sets, has a smaller learning rate and more trees than
the served model, and predicts by three heads.
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
    """Classifier that predicts early readmission in two ways and averages their log-odds.

    The first way predicts it directly, the second as P(any readmission) P(early, given any). The second learns what
    all readmissions have in common, and errs on other rows. Alone it has the same ROC-AUC and a lower PR-AUC; hence
    half the weight. The arguments are those of TwoHeads.
    """

    def fit(
        self,
        X: Matrix,  # noqa: N803
        y: npt.NDArray[np.int64],
        sample_weight: npt.NDArray[np.float64] | None = None,
    ) -> "ThreeHeads":
        """Fit the heads.

        Args:
            X: Encoded rows, shape (n, features).
            y: Outcomes as positions in contract.CLASSES, shape (n,).
            sample_weight: Weights of the rows, shape (n,). If omitted, all count alike.
        """
        super().fit(X, y, sample_weight)
        again = y != contract.CLASSES.index("NO")
        fit_params: dict[str, Any] = {"categorical_feature": list(self.categorical)} if self.categorical else {}
        if sample_weight is not None:
            fit_params["sample_weight"] = sample_weight[again]
        self.soon_ = clone(self.estimator).fit(X[again], (y[again] == contract.EARLY).astype(np.int64), **fit_params)
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

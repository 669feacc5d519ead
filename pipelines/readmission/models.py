"""Build the model families. Each is one sklearn Pipeline: typed frame in, three probabilities out.

Every Pipeline has two named steps:

* `encode`: `Encoder`, nothing learned; its `features` say what the columns of the matrix are.
* `classify`: the family's classifier on that matrix, with `y` as positions in `contract.CLASSES`
  (`features.target`), so that `predict_proba` has the classes in the contract's order.

What a compiler of the fitted object (`readmission.scorer`) finds in `classify`:

| family | object |
|---|---|
| lightgbm | `ThreeHeads`: `any_`, `early_` and `soon_` are `LGBMClassifier` (`.booster_`: one binary tree list each) |
| xgboost | `TwoHeads`: `any_` and `early_` are `XGBClassifier` (`.get_booster()`) |
| gradient_boosting | Pipeline: `fill` (NaN -> -1), `boost` (`HistGradientBoostingClassifier`) |
| random_forest, decision_tree | the sklearn classifier, three classes |
| logistic_regression | Pipeline: `prepare` (ColumnTransformer `numbers`, `levels`), `regress` |

More than 250 lines, because stored models name its classes, and a family is one record beside its builder.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from lightgbm import LGBMClassifier
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from readmission import contract
from readmission.features import encoding, history
from readmission.features.encoding import Feature, Matrix
from readmission.features.icd9 import Grain

Params = Mapping[str, Any]
_NO = contract.CLASSES.index("NO")
#: What a served model sees: one encounter and what its patient's earlier ones say.
SERVED = tuple(feature.name for feature in (*encoding.FEATURES, *history.HISTORY_FEATURES))
#: Columns of many codes without an order that LightGBM splits by sets of codes: +0.003 to 0.004 of ROC-AUC for <30
#: over splits by order. More columns (payer, race, chapters) brought nothing.
NATIVE = frozenset({"discharge_disposition_id", "admission_source_id", "medical_specialty"})


class Encoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Put `features.encode` at the head of an sklearn Pipeline; nothing is learned from data.

    Args:
        names: Names from features.FEATURES and history.HISTORY_FEATURES, in order. If None, all of features.FEATURES.
        grain: What the numbers of the diagnoses are read from.
    """

    #: Grain of stored encoders that do not state one.
    grain: Grain = "whole"

    def __init__(self, names: tuple[str, ...] | None = None, grain: Grain = "three digits") -> None:
        self.names = names
        self.grain = grain

    @property
    def features(self) -> tuple[encoding.Feature, ...]:
        """Return what the columns of the output are."""
        if self.names is None:
            return encoding.FEATURES
        by_name = {feature.name: feature for feature in (*encoding.FEATURES, *history.HISTORY_FEATURES)}
        return tuple(by_name[name] for name in self.names)

    def fit(self, X: pd.DataFrame, y: object = None) -> "Encoder":  # noqa: N803
        """Do nothing: the contract alone decides the encoding."""
        return self

    def transform(self, X: pd.DataFrame) -> Matrix:  # noqa: N803
        """Return `features.encode(X)`: float64 (n, features)."""
        return encoding.encode(X, self.features, self.grain)

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """Return the names of the output's columns."""
        return np.array([feature.name for feature in self.features], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True


class TwoHeads(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Predict three ordered classes by two binary classifiers.

    With a = P(any readmission) and b = min(P(readmission within 30 days), a), the probabilities are
    (1 - a, a - b, b). It costs two trees a boosting round where a three-class model costs three, and each
    head is trained on the question it answers.

    Where the log-odds of a are recalibrated (times `any_slope_` plus `any_shift_`), b counts and a is raised to it
    instead. A clipped b would cost 0.0014 of PR-AUC (measured on the real data, 27 November 2026).

    Args:
        estimator: Unfitted binary classifier with predict_proba, cloned for each head.
        categorical: Columns whose numbers are names, passed to the estimator (LightGBM) when it is fitted.
    """

    #: What the log-odds of any readmission are multiplied by, and what is added to the product
    #: (`evaluation.recalibration`). Stored models may have neither or the second alone.
    any_slope_: float = 1.0
    any_shift_: float = 0.0
    #: What is added to the log-odds of early readmission, likewise.
    early_shift_: float = 0.0
    #: Whether a lower risk of any readmission is raised to the early one even where its odds are not moved.
    early_first = False
    #: Weight of each of `heads` in the log-odds of early readmission.
    weights_: tuple[float, ...] = (0.0, 1.0)
    #: Log-odds added to that sum.
    intercept_ = 0.0

    def __init__(self, estimator: Any, categorical: tuple[int, ...] = ()) -> None:
        self.estimator = estimator
        self.categorical = categorical

    def fit(
        self,
        X: Matrix,  # noqa: N803
        y: npt.NDArray[np.int64],
        sample_weight: npt.NDArray[np.float64] | None = None,
    ) -> "TwoHeads":
        """Fit both heads; y: positions in contract.CLASSES; the weights of rows are optional."""
        self.any_slope_, self.any_shift_, self.early_shift_ = 1.0, 0.0, 0.0
        self.classes_ = np.arange(len(contract.CLASSES))
        self.n_features_in_ = X.shape[1]
        self.any_ = self._fit("any", X, y != _NO, sample_weight)
        self.early_ = self._fit("early", X, y == contract.EARLY, sample_weight)
        return self

    def _fit(self, head: str, X: Matrix, event: Any, weights: npt.NDArray[np.float64] | None) -> Any:  # noqa: N803
        options: dict[str, Any] = {"categorical_feature": list(self.categorical)} if self.categorical else {}
        if weights is not None:
            options["sample_weight"] = weights
        return clone(self.estimator).set_params(**self._params(head)).fit(X, event.astype(np.int64), **options)

    def _params(self, head: str) -> Params:
        return {}

    @property
    def heads(self) -> tuple[Any, ...]:
        """Return the fitted heads."""
        return self.any_, self.early_

    def risks(self, X: Matrix) -> tuple[Matrix, Matrix]:  # noqa: N803
        """Return the risks of any and of early readmission as they were learned, shape (n,) each."""
        any_, early = (np.asarray(head.predict_proba(X), dtype=np.float64)[:, 1] for head in self.heads)
        return any_, early

    def predict_proba(self, X: Matrix) -> Matrix:  # noqa: N803
        """Return (n, 3) probabilities in the order of contract.CLASSES."""
        return self.join(*self.risks(X))

    def join(self, any_: Matrix, early: Matrix) -> Matrix:
        """Recalibrate what `risks` returns, and join it to (n, 3) probabilities in the order of contract.CLASSES."""
        if self.is_recalibrated:
            odds_against = (1.0 / np.clip(any_, 1e-12, 1.0) - 1.0) ** self.any_slope_
            any_ = 1.0 / (1.0 + odds_against * np.exp(-self.any_shift_))
        if self.early_shift_:
            early = 1.0 / (1.0 + (1.0 / np.clip(early, 1e-12, 1.0) - 1.0) * np.exp(-self.early_shift_))
        if self.is_recalibrated or self.early_first:
            any_ = np.maximum(any_, early)
        early = np.minimum(early, any_)
        return np.column_stack([1.0 - any_, any_ - early, early])

    def recalibrate(self, slope: float, shift: float, early: float) -> None:
        """State other odds than those that were learned.

        Args:
            slope: What the log-odds of any readmission are multiplied by.
            shift: What is added to the product.
            early: What is added to the log-odds of early readmission.
        """
        self.any_slope_, self.any_shift_, self.early_shift_ = slope, shift, early

    @property
    def is_recalibrated(self) -> bool:
        """Return whether the heads state other odds than those that they learned."""
        return (self.any_slope_, self.any_shift_, self.early_shift_) != (1.0, 0.0, 0.0)

    def predict(self, X: Matrix) -> npt.NDArray[np.int64]:  # noqa: N803
        """Return the most probable class's position."""
        positions: npt.NDArray[np.int64] = np.argmax(self.predict_proba(X), axis=1)
        return positions

    @property
    def feature_importances_(self) -> Matrix:
        """Return the mean of the heads' importances, each summing to one."""
        shares = [np.asarray(head.feature_importances_, dtype=np.float64) for head in self.heads]
        return np.asarray(np.mean([s / max(s.sum(), 1e-12) for s in shares], axis=0), dtype=np.float64)


class ThreeHeads(TwoHeads):
    """Predict early readmission in two ways, and join them as a weighted sum of log-odds.

    The first way is a head of its own. The second is P(any readmission) P(early, given any), whose factors are the head
    of any readmission and one fitted on the readmitted alone. It learns what all readmissions have in common, and errs
    on other rows. The log-odds of that product are taken by their tangent where each head states its share of the
    training rows: d logit(ab) / d logit(a) = (1 - a) / (1 - ab). So the sum is linear in every tree, and contributions
    (TreeSHAP) stay exact.

    Args:
        estimator: Unfitted binary classifier with predict_proba, cloned for each head.
        categorical: Columns whose numbers are names, passed to the estimator (LightGBM) when it is fitted.
        changes: Parameters of the estimator by head (`any`, `early`, `soon`), where a head has its own.
    """

    early_first = True
    #: Weight of the second way. From a quarter to a half the ROC-AUC is the same within 0.0003, and the PR-AUC falls by
    #: 0.0009 (docs/reports/2026-11-28-model-quality.md).
    SECOND = 1 / 3

    def __init__(
        self, estimator: Any, categorical: tuple[int, ...] = (), changes: Mapping[str, Params] | None = None
    ) -> None:
        super().__init__(estimator, categorical)
        self.changes = changes

    def _params(self, head: str) -> Params:
        return (self.changes or {}).get(head, {})

    def fit(
        self,
        X: Matrix,  # noqa: N803
        y: npt.NDArray[np.int64],
        sample_weight: npt.NDArray[np.float64] | None = None,
    ) -> "ThreeHeads":
        """Fit the heads; y: positions in contract.CLASSES; the weights of rows are optional."""
        super().fit(X, y, sample_weight)
        again = y != _NO
        weights = None if sample_weight is None else sample_weight[again]
        self.soon_ = self._fit("soon", X[again], y[again] == contract.EARLY, weights)
        any_, early = (float(np.average(event, weights=sample_weight)) for event in (again, y == contract.EARLY))
        soon = early / any_
        slope = self.SECOND / (1 - early)
        self.weights_ = (slope * (1 - any_), 1 - self.SECOND, slope * (1 - soon))
        # Where every head states its share, the sum states that of early readmissions.
        self.intercept_ = float(logit(early) - np.dot(self.weights_, logit([any_, early, soon])))
        return self

    @property
    def heads(self) -> tuple[Any, ...]:
        """Return the fitted heads."""
        return self.any_, self.early_, self.soon_

    def risks(self, X: Matrix) -> tuple[Matrix, Matrix]:  # noqa: N803
        """Return the risk of any readmission, and that of an early one by the sum of all heads, shape (n,) each."""
        risks = [np.asarray(head.predict_proba(X), dtype=np.float64)[:, 1] for head in self.heads]
        odds = logit(np.clip(risks, 1e-12, 1 - 1e-12))
        return risks[0], expit(self.intercept_ + np.dot(self.weights_, odds))


def _logistic_regression(params: Params, seed: int, jobs: int, columns: tuple[Feature, ...]) -> Any:
    categorical = [i for i, f in enumerate(columns) if f.categorical]
    numbers = [i for i, f in enumerate(columns) if not f.categorical]
    levels = OneHotEncoder(
        categories=[list(columns[i].categories) for i in categorical],
        handle_unknown="ignore",  # not known: no level's column is set
        dtype=np.float32,
    )
    scaled = Pipeline(
        [("fill", SimpleImputer(strategy="median", keep_empty_features=True)), ("scale", StandardScaler())]
    )
    prepare = ColumnTransformer([("numbers", scaled, numbers), ("levels", levels, categorical)])
    regress = LogisticRegression(**{"C": 0.02, "max_iter": 100, "tol": 1e-3, "random_state": seed, **params})
    return Pipeline([("prepare", prepare), ("regress", regress)])


def _decision_tree(params: Params, seed: int, jobs: int, columns: tuple[Feature, ...]) -> Any:
    return DecisionTreeClassifier(**{"max_depth": 8, "min_samples_leaf": 200, "random_state": seed, **params})


def _random_forest(params: Params, seed: int, jobs: int, columns: tuple[Feature, ...]) -> Any:
    defaults = {"n_estimators": 60, "min_samples_leaf": 30, "max_features": 0.3, "max_samples": 0.5}
    return RandomForestClassifier(**{**defaults, "n_jobs": jobs, "random_state": seed, **params})


def _gradient_boosting(params: Params, seed: int, jobs: int, columns: tuple[Feature, ...]) -> Any:
    defaults = {"max_iter": 70, "learning_rate": 0.1, "max_leaf_nodes": 31, "min_samples_leaf": 100}
    defaults |= {"l2_regularization": 10.0, "max_features": 0.5, "early_stopping": False}
    boost = HistGradientBoostingClassifier(**{**defaults, "random_state": seed, **params})
    # It refuses a column without any known value, and the first batches have no payer_code.
    fill = SimpleImputer(strategy="constant", fill_value=-1.0, keep_empty_features=True)
    return Pipeline([("fill", fill), ("boost", boost)])


def _lightgbm(params: Params, seed: int, jobs: int, columns: tuple[Feature, ...]) -> Any:
    defaults = {"n_estimators": 100, "learning_rate": 0.08, "num_leaves": 31, "min_child_samples": 100}
    defaults |= {"colsample_bytree": 0.5, "subsample": 0.8, "subsample_freq": 1, "reg_lambda": 10.0}
    fixed = {
        "n_jobs": jobs,
        "random_state": seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }
    names = tuple(i for i, feature in enumerate(columns) if feature.name in NATIVE)
    own = {**defaults, **fixed, **params}
    trees, rate = own["n_estimators"], own["learning_rate"]
    # The API answers by all trees, and fewer that learn faster lose nothing (docs/reports/2026-11-28-model-quality.md).
    changes = {
        head: {"n_estimators": round(part * trees), "learning_rate": 1.5 * rate}
        for head, part in (("any", 0.8), ("soon", 0.6))
    }
    return ThreeHeads(LGBMClassifier(**own), names, changes)


def _xgboost(params: Params, seed: int, jobs: int, columns: tuple[Feature, ...]) -> Any:
    defaults: dict[str, Any] = {
        "n_estimators": 150,
        "learning_rate": 0.06,
        "max_depth": 5,
        "min_child_weight": 10.0,
    }
    defaults |= {"colsample_bytree": 0.5, "subsample": 0.8, "reg_lambda": 10.0, "tree_method": "hist"}
    return TwoHeads(XGBClassifier(**{**defaults, "n_jobs": jobs, "random_state": seed, **params}))


#: Types that skops may load from a stored Pipeline, in addition to those it trusts by itself. MLflow's copy of a model
#: and the API's fallback engine use this list and no other.
TRUSTED_TYPES = (
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "numpy.dtype",
    "readmission.models.Encoder",
    "readmission.models.ThreeHeads",
    "readmission.models.TwoHeads",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
)


class Range(NamedTuple):
    """Values of a parameter that a search may try: whole numbers if both ends are, drawn evenly, or by magnitude."""

    low: float
    high: float
    step: int = 1
    log: bool = False


@dataclass(frozen=True, kw_only=True)
class Family:
    """A model family. To add one, add its record to FAMILIES and its name to pipelines/dags/house.py.

    Attributes:
        build: Builder of the classifier: (overriding parameters, seed, threads, the matrix's features).
        search_space: Range by parameter, in the order in which a search draws them.
        cost: Relative time to fit. The most expensive family starts first, so that parallel fits end together.
        on_dask: Whether its library trains on Dask itself; any other would need all rows in one place.
        compared: Whether `readmission evaluate` compares the served family with it.
    """

    build: Callable[[Params, int, int, tuple[Feature, ...]], Any]
    search_space: Mapping[str, Range]
    cost: int
    on_dask: bool = False
    compared: bool = True


_BOOSTING = {"learning_rate": Range(0.02, 0.2, log=True)}
_SAMPLING = {
    "colsample_bytree": Range(0.2, 1.0),
    "subsample": Range(0.5, 1.0),
    "reg_lambda": Range(0.1, 100.0, log=True),
}
FAMILIES: Mapping[str, Family] = {
    "logistic_regression": Family(build=_logistic_regression, search_space={"C": Range(1e-4, 10.0, log=True)}, cost=2),
    "decision_tree": Family(
        build=_decision_tree,
        search_space={"max_depth": Range(4, 14), "min_samples_leaf": Range(50, 600, log=True)},
        cost=1,
        compared=False,
    ),
    "random_forest": Family(
        build=_random_forest,
        search_space={
            "n_estimators": Range(40, 200, step=20),
            "min_samples_leaf": Range(10, 100, log=True),
            "max_features": Range(0.1, 0.6),
        },
        cost=5,
    ),
    "gradient_boosting": Family(
        build=_gradient_boosting,
        search_space=_BOOSTING
        | {
            "max_iter": Range(40, 150, step=10),
            "max_leaf_nodes": Range(7, 63, log=True),
            "min_samples_leaf": Range(20, 400, log=True),
            "l2_regularization": Range(0.1, 100.0, log=True),
        },
        cost=6,
    ),
    "lightgbm": Family(
        build=_lightgbm,
        search_space=_BOOSTING
        | {
            # The other heads have 0.8 and 0.6 times as many trees, and the API answers by all of them.
            "n_estimators": Range(40, 150, step=10),
            "num_leaves": Range(7, 63, log=True),
            "min_child_samples": Range(20, 400, log=True),
        }
        | _SAMPLING,
        cost=3,
        on_dask=True,
    ),
    "xgboost": Family(
        build=_xgboost,
        search_space=_BOOSTING
        | {
            "n_estimators": Range(50, 250, step=10),
            "max_depth": Range(3, 8),
            "min_child_weight": Range(1.0, 100.0, log=True),
        }
        | _SAMPLING,
        cost=4,
    ),
}


def build(
    family: str,
    params: Params | None = None,
    *,
    seed: int = 7,
    jobs: int = 1,
    names: tuple[str, ...] | None = None,
) -> Pipeline:
    """Return the unfitted Pipeline of one family.

    Args:
        family: A key of FAMILIES.
        params: Parameters of the family's estimator that replace its defaults.
        seed: Seed of every random choice.
        jobs: Number of threads, where the family has a setting for it.
        names: Features to use. If None, SERVED.

    Raises:
        KeyError: There is no such family.
    """
    encoder = Encoder(names or SERVED)
    classifier = FAMILIES[family].build(params or {}, seed, jobs, encoder.features)
    return Pipeline([("encode", encoder), ("classify", classifier)])


def parameters(pipeline: Pipeline) -> dict[str, Any]:
    """Return the estimator's parameters that a person would compare: numbers, texts and flags, by name."""
    classifier = pipeline.named_steps["classify"]
    estimator = classifier.estimator if isinstance(classifier, TwoHeads) else classifier
    estimator = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    params = estimator.get_params(deep=False)
    for head, changed in (getattr(classifier, "changes", None) or {}).items():
        params |= {f"{head}_{name}": value for name, value in changed.items()}
    return {k: v for k, v in params.items() if isinstance(v, int | float | str) and k != "missing"}

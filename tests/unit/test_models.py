from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import skops.io
from lightgbm import LGBMClassifier
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from readmission import contract, models
from readmission.features import encoding


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with threadpool_limits(1):  # thousands of tiny parallel loops are slow on a busy machine
        yield


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Two thousand synthetic encounters in which earlier inpatient stays raise the risk."""
    random = np.random.default_rng(5)
    rows = 2000
    raw: dict[str, npt.ArrayLike] = {}
    for column in contract.FEATURE_COLUMNS:
        if column.name in contract.DIAGNOSES:
            raw[column.name] = random.choice(["428", "250.83", "V27", "E878", "?"], rows)
        elif column.levels:
            raw[column.name] = random.choice([*column.levels, *(["?"] if column.nullable else [])], rows)
        else:
            raw[column.name] = random.integers(column.minimum, column.maximum + 1, rows).astype(str)
    risk = np.asarray(raw["number_inpatient"]).astype(float) / 100
    raw["payer_code"] = ["?"] * rows  # as in the first batches: a column without any known value
    raw["readmitted"] = np.where(
        random.random(rows) < risk * 0.6, "<30", np.where(random.random(rows) < 0.4, ">30", "NO")
    )
    return encoding.typed_frame(pd.DataFrame(raw))


SMALL = {
    "random_forest": {"n_estimators": 10},
    "gradient_boosting": {"max_iter": 10},
    "lightgbm": {"n_estimators": 10},
    "xgboost": {"n_estimators": 10},
}


@pytest.mark.parametrize("family", models.FAMILIES)
def test_each_family_is_one_pipeline_from_raw_columns_to_three_probabilities(family: str, frame: pd.DataFrame) -> None:
    y = encoding.target(frame)
    pipeline = models.build(family, SMALL.get(family)).fit(frame, y)
    probabilities = pipeline.predict_proba(frame)
    assert probabilities.shape == (len(frame), 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-9)
    assert (probabilities >= 0).all()
    # It learned what the data holds, and the third column is the class "<30".
    assert probabilities[y == 2, 2].mean() > probabilities[y != 2, 2].mean() * 1.1

    # A row alone gets the same answer as in a batch, with columns in any order.
    shuffled = frame[frame.columns[::-1]].iloc[[7]]
    np.testing.assert_allclose(pipeline.predict_proba(shuffled)[0], probabilities[7], atol=1e-12)

    # It survives the format MLflow keeps it in.
    again = skops.io.loads(skops.io.dumps(pipeline), trusted=models.TRUSTED_TYPES)
    np.testing.assert_array_equal(again.predict_proba(frame), probabilities)
    assert models.parameters(pipeline)


@pytest.mark.parametrize("family", models.FAMILIES)
def test_the_same_seed_gives_the_same_model(family: str, frame: pd.DataFrame) -> None:
    y = encoding.target(frame)
    first, second = (models.build(family, SMALL.get(family), seed=3).fit(frame, y) for _ in range(2))
    np.testing.assert_array_equal(first.predict_proba(frame), second.predict_proba(frame))


def test_two_heads_never_give_a_negative_probability(frame: pd.DataFrame) -> None:
    y = encoding.target(frame)
    heads = models.build("lightgbm", {"n_estimators": 200, "min_child_samples": 5}).fit(frame, y)
    assert (heads.predict_proba(frame) >= 0).all()


class Fixed:
    """Head that states one risk."""

    def __init__(self, risk: float) -> None:
        self.risk = risk

    def predict_proba(self, rows: encoding.Matrix) -> encoding.Matrix:
        return np.tile([1 - self.risk, self.risk], (len(rows), 1))


def three_heads(any_: float, early: float, soon: float) -> models.ThreeHeads:
    heads = models.ThreeHeads(None)
    heads.any_, heads.early_, heads.soon_ = Fixed(any_), Fixed(early), Fixed(soon)
    heads.weights_ = (0.5, 1.0, 0.25)
    return heads


def test_early_readmission_is_the_weighted_sum_of_the_log_odds_of_three_heads() -> None:
    heads = three_heads(0.8, 0.2, 16 / 17)  # odds 4, 1/4 and 16
    np.testing.assert_allclose(heads.predict_proba(np.zeros((2, 1))), [[0.2, 0.3, 0.5]] * 2)
    heads.intercept_ = np.log(0.25)
    np.testing.assert_allclose(heads.predict_proba(np.zeros((1, 1))), [[0.2, 0.6, 0.2]])


def test_the_early_risk_of_three_heads_stands_whatever_is_said_of_any() -> None:
    heads = three_heads(0.5, 0.9, 0.5)
    np.testing.assert_allclose(heads.predict_proba(np.zeros((1, 1))), [[0.1, 0.0, 0.9]], atol=1e-12)
    heads.any_shift_ = 4.0
    np.testing.assert_allclose(heads.predict_proba(np.zeros((1, 1)))[0, 2], 0.9)


def test_the_third_head_learns_from_the_readmitted_alone_and_heads_have_trees_of_their_own(frame: pd.DataFrame) -> None:
    y, matrix = encoding.target(frame), encoding.encode(frame, models.Encoder(models.SERVED).features)
    pipeline = models.build("lightgbm", {"n_estimators": 10, "learning_rate": 0.1})
    heads, again = pipeline["classify"].fit(matrix, y), y > 0
    assert [head.booster_.num_trees() for head in heads.heads] == [8, 10, 6]
    assert heads.any_.learning_rate == pytest.approx(0.15)
    alone = clone(heads.estimator).set_params(n_estimators=6, learning_rate=heads.any_.learning_rate)
    alone.fit(matrix[again], y[again] == contract.EARLY, categorical_feature=list(heads.categorical))
    np.testing.assert_array_equal(heads.soon_.predict_proba(matrix), alone.predict_proba(matrix))
    assert models.parameters(pipeline)["soon_n_estimators"] == 6


def test_heads_that_learn_nothing_state_the_share_of_early_readmissions() -> None:
    y = np.repeat([0, 1, 2], [50, 35, 15])
    stumps = models.ThreeHeads(LGBMClassifier(n_estimators=3, min_child_samples=100, verbose=-1))
    probabilities = stumps.fit(np.arange(100.0)[:, None], y).predict_proba(np.zeros((1, 1)))
    np.testing.assert_allclose(probabilities, [[0.5, 0.35, 0.15]], atol=1e-6)

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import skops.io
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

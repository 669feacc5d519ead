import io

import numpy as np
import pandas as pd
import pytest

from readmission import models
from readmission.data import synthetic
from readmission.evaluation import protocols, reference_models
from readmission.evaluation.metrics import Scored
from readmission.features import encoding


@pytest.fixture(scope="module")
def table() -> protocols.EncodedRows:
    text = pd.read_csv(io.BytesIO(synthetic.generate(900, seed=3)), dtype=str, keep_default_na=False, skiprows=1)
    # A column without any value, as payer_code in the first batch.
    return protocols.EncodedRows.of(encoding.typed_frame(text.assign(payer_code="?")).assign(batch_id=1))


@pytest.mark.parametrize("member", reference_models.MEMBERS)
def test_a_member_gives_three_probabilities_and_knows_codes_as_sets(table: protocols.EncodedRows, member: str) -> None:
    heads = reference_models.MEMBERS[member](models.SERVED, 7)
    rounds = "boost__max_iter" if "boost__max_iter" in heads.estimator.get_params() else "n_estimators"
    assert heads.estimator.get_params()[rounds] > 200
    heads.estimator.set_params(**{rounds: 5})
    probabilities = heads.fit(table.matrix, table.y).predict_proba(table.matrix)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert probabilities.min() >= 0 and len(np.unique(probabilities[:, 2])) > 20

    native = [i for i, name in enumerate(models.SERVED) if name in models.NATIVE]
    categorical = {
        "lightgbm": lambda: heads.categorical,
        "xgboost": lambda: [i for i, kind in enumerate(heads.early_.feature_types) if kind == "c"],
        "gradient boosting": lambda: np.flatnonzero(heads.early_[-1].is_categorical_),
    }
    assert list(categorical[member]()) == native


def test_the_average_is_of_probabilities() -> None:
    y, patients = np.array([0, 2]), np.array([1, 2])
    scored = Scored(y, np.array([[1.0, 0, 0], [0, 0.5, 0.5]]), patients)
    other = Scored(y, np.array([[0.0, 1, 0], [0, 0.1, 0.9]]), patients)
    np.testing.assert_allclose(reference_models.average([scored, other]).probabilities, [[0.5, 0.5, 0], [0, 0.3, 0.7]])

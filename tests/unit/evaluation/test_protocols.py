import io
from typing import Any

import numpy as np
import pandas as pd
import pytest

from readmission import models
from readmission.data import synthetic
from readmission.evaluation import protocols
from readmission.evaluation.metrics import Scored, measure
from readmission.features import encoding


@pytest.fixture(scope="module")
def table() -> protocols.EncodedRows:
    text = pd.read_csv(io.BytesIO(synthetic.generate(900, seed=3)), dtype=str, keep_default_na=False, skiprows=1)
    frame = encoding.typed_frame(text)
    return protocols.EncodedRows.of(frame.assign(batch_id=np.arange(900) // 129 + 1))


def test_every_row_is_tested_once_by_a_model_without_its_patient(table: protocols.EncodedRows) -> None:
    parts = protocols.folds(table.patients, 7)
    assert sorted(np.concatenate([test for _, test in parts])) == list(range(900))
    for train, test in parts:
        assert not set(table.patients[train]) & set(table.patients[test])
        assert len(test) > 200


def test_other_seeds_give_other_folds(table: protocols.EncodedRows) -> None:
    fold, other = protocols.folds(table.patients, 7)[0][1], protocols.folds(table.patients, 8)[0][1]
    assert set(fold) != set(other)


def test_forward_in_time_tests_later_rows_of_other_patients(table: protocols.EncodedRows) -> None:
    parts = protocols.forward(table, 7)
    for train, test in (*parts, protocols.newcomers(table)):
        assert table.batches[train].max() < table.batches[test].min()
        assert not set(table.patients[train]) & set(table.patients[test])
        assert len(test)
    later = np.flatnonzero(table.batches > 5)
    np.testing.assert_array_equal(np.sort(np.concatenate([test for _, test in parts])), later)
    # Those who were there before are tested too, but not among the newcomers.
    before = set(table.patients[table.batches <= 5])
    assert before & set(table.patients[later])
    assert not before & set(table.patients[protocols.newcomers(table)[1]])


def test_forgetting_leaves_out_or_weighs_down_the_oldest_batches(
    table: protocols.EncodedRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[set[int], set[float]]] = []

    def fit(table: protocols.EncodedRows, _: object, __: object, train: Any, test: Any, ___: int, weights: Any) -> Any:
        seen.append((set(table.batches[train]), set() if weights is None else set(weights[train])))
        return np.full((len(test), 3), 1 / 3)

    monkeypatch.setattr(protocols, "_fit", fit)
    scored = protocols.recent(table, "lightgbm", (), 7, 2)
    assert len(scored.y) == (table.batches > 5).sum() and seen == [({4, 5}, set())] * protocols.FOLDS
    protocols.recent(table, "lightgbm", (), 7, 0, 2.0)
    assert seen[-1] == ({1, 2, 3, 4, 5}, {0.5 ** (age / 2) for age in range(5)})


def test_weights_reach_both_heads(table: protocols.EncodedRows) -> None:
    heads = models.build("lightgbm", {"n_estimators": 5}).named_steps["classify"]
    light = np.where(table.y == 2, 0.01, 1.0)
    plain, weighted = (heads.fit(table.matrix, table.y, w).predict_proba(table.matrix) for w in (None, light))
    assert weighted[:, 2].mean() < plain[:, 2].mean() / 2 and weighted[:, 0].mean() > plain[:, 0].mean()


def test_an_ablation_leaves_out_what_it_says(table: protocols.EncodedRows) -> None:
    served = set(protocols.ABLATIONS["served features"])
    assert served - set(protocols.ABLATIONS["without drugs"]) == {*protocols._DRUGS}
    assert "diag_1_number" not in protocols.ABLATIONS["without any diagnosis"]
    assert "heart_failure" not in protocols.ABLATIONS["without any diagnosis"]
    for names in protocols.ABLATIONS.values():
        assert len(table.columns(names)) == len(set(names))


def test_pooled_scores_are_probabilities(table: protocols.EncodedRows) -> None:
    names = ("age", "number_inpatient", "history_count")
    scored = protocols.pooled(table, "decision_tree", names, 7)
    np.testing.assert_allclose(scored.probabilities.sum(axis=1), 1)


def test_weighted_classes_raise_macro_f1_of_rare_classes() -> None:
    random = np.random.default_rng(0)
    signal = random.normal(size=4000)
    y = np.where(signal + random.normal(size=4000) > 2, 2, np.where(random.random(4000) < 0.4, 1, 0))
    early = 1 / (1 + np.exp(2 - signal))
    probabilities = np.column_stack([(1 - early) * 0.6, (1 - early) * 0.4, early * 0.5])
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    scored = Scored(y, probabilities, np.arange(4000))
    weighted = protocols.weighted_classes(scored, 7)
    assert measure(weighted)["f1_macro"] > measure(scored)["f1_macro"]

"""Metrics of confusion tables are those of scikit-learn, for one table as for many."""

import numpy as np
import pytest
from sklearn.metrics import classification_report

from readmission.evaluation import confusion


def test_one_table_and_many_give_the_figures_of_sklearn() -> None:
    random = np.random.default_rng(4)
    true, predicted = random.integers(0, 3, (2, 5, 400))
    tables = np.array([np.bincount(3 * t + p, minlength=9).reshape(3, 3) for t, p in zip(true, predicted, strict=True)])
    figures = confusion.measure(tables)
    for i, table in enumerate(tables):
        report = classification_report(true[i], predicted[i], output_dict=True)
        assert figures["accuracy"][i] == pytest.approx(report["accuracy"])
        assert figures["f1_macro"][i] == pytest.approx(report["macro avg"]["f1-score"])
        assert figures["precision_lt30"][i] == pytest.approx(report["2"]["precision"])
        assert figures["accuracy_gain"][i] == pytest.approx(report["accuracy"] - (true[i] == 0).mean())
        assert confusion.measure(table)["recall_gt30"] == figures["recall_gt30"][i]


def test_a_class_that_nobody_has_counts_nothing() -> None:
    figures = confusion.measure(np.array([[5, 0, 0], [1, 4, 0], [0, 0, 0]]))
    assert figures["recall_lt30"] == figures["precision_lt30"] == figures["f1_lt30"] == 0.0

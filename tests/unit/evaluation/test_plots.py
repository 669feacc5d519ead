"""The plots: what they show is what was measured."""

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from readmission.evaluation import plots
from readmission.evaluation.metrics import Scored, measure


@pytest.fixture
def scored() -> Scored:
    random = np.random.default_rng(1)
    probabilities = random.dirichlet((5, 3, 1), 400)
    y = np.array([random.choice(3, p=row) for row in probabilities])
    return Scored(y, probabilities, np.arange(400))


def test_the_confusion_matrix_shows_shares_and_counts(scored: Scored) -> None:
    (axis,) = plots.confusion_matrix(scored, "title").axes
    table = scored.confusion()
    texts = [text.get_text() for text in axis.texts]
    assert len(texts) == 9 and texts[0] == f"{table[0, 0] / table[0].sum():.0%}\n{table[0, 0]}"
    assert [label.get_text() for label in axis.get_xticklabels()] == ["not readmitted", ">30 days", "<30 days"]


def test_the_curves_are_those_of_early_readmission(scored: Scored) -> None:
    roc, precision = plots.roc_and_precision_recall(scored, "title").axes
    false, true, _ = roc_curve(scored.event, scored.early)
    np.testing.assert_allclose(np.asarray(roc.lines[0].get_xydata()), np.column_stack([false, true]))
    metrics = measure(scored)
    assert roc.get_title() == f"ROC-AUC {metrics['roc_auc_30']:.3f}"
    assert precision.get_ylim() == (0, 0.8) and f"{metrics['pr_auc_30']:.3f}" in precision.get_title()

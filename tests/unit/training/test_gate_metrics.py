"""The strongest single feature: it may rank either way, and a missing value ranks lowest."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from readmission.training import gate_metrics
from readmission.training.dataset import Dataset


def dataset(matrix: np.ndarray, event: np.ndarray) -> Dataset:
    """Return what `strongest_feature` reads of a dataset whose rows are all of validation."""
    rows = SimpleNamespace(
        names=("first", "second"),
        matrix=matrix,
        y=np.where(event, 2, 0),
        patients=np.arange(len(event)),
        rows=lambda split: slice(0, len(event)),
    )
    return cast(Dataset, rows)


def test_a_feature_that_ranks_the_other_way_counts_as_well() -> None:
    event = np.array([True, True, False, False])
    falling = np.column_stack([[1.0, 3.0, 2.0, 4.0], [1.0, 2.0, 3.0, 4.0]])
    name, roc_auc = gate_metrics.strongest_feature(dataset(falling, event))
    assert name == "second" and roc_auc == pytest.approx(1.0)


def test_a_missing_value_ranks_lowest() -> None:
    event = np.array([True, True, False, False])
    matrix = np.column_stack([[1.0, 1.0, 1.0, 1.0], [0.0, 1.0, np.nan, np.nan]])
    name, roc_auc = gate_metrics.strongest_feature(dataset(matrix, event))
    assert name == "second" and roc_auc == pytest.approx(1.0)

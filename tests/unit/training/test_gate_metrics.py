"""The strongest single feature: it may rank either way, and a missing value ranks lowest."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from readmission.training import gate_metrics
from readmission.training.dataset import Dataset


def dataset(matrix: np.ndarray, event: np.ndarray, names: tuple[str, ...] = ("first", "second")) -> Dataset:
    """Return what `strongest_feature` reads of a dataset whose rows are all of validation, and all of test."""
    rows = SimpleNamespace(
        names=names,
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


def test_a_leak_in_codes_that_are_names_is_seen() -> None:
    # Every second code of admission means that the patient came back: by their numbers they rank like chance.
    random = np.random.default_rng(1)
    codes = random.integers(1, 9, 4_000).astype(float)
    event = codes % 2 == 0
    matrix = np.column_stack([codes, random.normal(size=4_000)])
    assert gate_metrics.strongest_feature(dataset(matrix, event))[1] < 0.7
    named = dataset(matrix, event, ("admission_source_id", "number_inpatient"))
    name, roc_auc = gate_metrics.strongest_feature(named)
    assert name == "admission_source_id" and roc_auc == pytest.approx(1.0)


def test_a_code_that_was_never_seen_ranks_in_the_middle() -> None:
    shares = gate_metrics._shares(np.array([1.0, 1.0, 2.0]), np.array([True, False, False]), np.array([1.0, 2.0, 9.0]))
    assert shares.tolist() == [0.5, 0.0, pytest.approx(1 / 3)]

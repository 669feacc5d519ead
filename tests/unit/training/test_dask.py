"""Scores of the workers as those of one process."""

import numpy as np

from readmission.evaluation.metrics import Scored
from readmission.training import dask


def test_parts_are_joined_in_their_order_and_an_empty_one_is_no_harm() -> None:
    parts = [Scored(np.array([2]), np.array([[0.1, 0.2, 0.7]]), np.array([9]))]
    parts += [Scored(np.empty(0, np.int64), np.empty((0, 3)), np.empty(0, np.int64))]
    parts += [Scored(np.array([0]), np.array([[0.8, 0.1, 0.1]]), np.array([4]))]
    joined = dask._joined(parts)
    assert joined.y.tolist() == [2, 0] and joined.patients.tolist() == [9, 4]
    assert joined.early.tolist() == [0.7, 0.1]

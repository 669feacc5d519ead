"""Metrics of the most probable class, from confusion tables. Pure."""

from typing import Any

import numpy as np
import numpy.typing as npt

from readmission import contract

Array = npt.NDArray[Any]
_NO = contract.CLASSES.index("NO")


def measure(tables: Array) -> dict[str, Array]:
    """Return the metrics of 3 x 3 tables, true class by predicted class.

    Args:
        tables: One or more tables, shape (..., 3, 3).

    Returns:
        Values of each metric by name, shape (...).
    """
    hits, true, predicted = np.diagonal(tables, axis1=-2, axis2=-1), tables.sum(axis=-1), tables.sum(axis=-2)
    recall = hits / np.maximum(true, 1e-12)
    precision = hits / np.maximum(predicted, 1e-12)
    f1 = 2 * hits / np.maximum(true + predicted, 1e-12)
    total = true.sum(axis=-1)
    figures = {
        "accuracy": hits.sum(axis=-1) / total,
        "accuracy_always_no": true[..., _NO] / total,
        "accuracy_gain": (hits.sum(axis=-1) - true[..., _NO]) / total,
        "f1_score_weighted": (f1 * true).sum(axis=-1) / total,
        "f1_macro": f1.mean(axis=-1),
    }
    for i, name in enumerate(("NO", "gt30", "lt30")):  # MLflow allows neither > nor <
        figures |= {f"recall_{name}": recall[..., i], f"precision_{name}": precision[..., i], f"f1_{name}": f1[..., i]}
    return figures

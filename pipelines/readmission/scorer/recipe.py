"""What a compiled model's scorer.json says, and how raw scores become probabilities."""

import math
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from readmission.scorer.layout import Layout

Matrix = npt.NDArray[np.float64]
#: In the order of contract.CLASSES.
Probabilities = tuple[float, float, float]
#: How the engine's raw scores become probabilities.
Link = Literal["two_heads", "early_first", "three_heads", "softmax", "identity"]
#: The unit of a margin, by link.
UNITS = {
    "two_heads": "log_odds",
    "early_first": "log_odds",
    "three_heads": "log_odds",
    "softmax": "margin",
    "identity": "probability",
}


class Linear(msgspec.Struct, frozen=True):
    """Linear model over the row: what each column adds to each output.

    Attributes:
        fill: Number for a numeric column that is not known.
        slopes: By numeric column, one number per output.
        levels: By column and level position, one number per output. Empty for numeric columns.
    """

    fill: tuple[float, ...]
    slopes: tuple[tuple[float, ...], ...]
    levels: tuple[tuple[tuple[float, ...], ...], ...]


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Content of scorer.json: the row's layout, the link, and the weights of a linear model.

    Attributes:
        layout: Layout of the row.
        link: How the margins become probabilities.
        base: Number added to each margin.
        trees: File of the trees; empty if there are none.
        mix: Weight of each output of the trees in the margin of early readmission, which then follows that of any
            readmission, the first output. If empty, as in models of earlier releases, each output is a margin.
        linear: Weights of a linear model.
    """

    layout: Layout
    link: Link
    base: tuple[float, ...]
    trees: str = ""
    mix: tuple[float, ...] = ()
    linear: Linear | None = None


class Attribution(msgspec.Struct, frozen=True):
    """Attribution of one answer to the raw columns.

    In log-odds of readmission within 30 days, or in probability (see `unit`).

    Attributes:
        unit: ``log_odds`` of the early head, ``margin`` of the softmax, or ``probability``.
        base: Answer of the model without any column.
        contributions: Raw column -> its share; base and shares add up to `margin`.
        margin: Answer of the model for this encounter.
    """

    unit: str
    base: float
    contributions: dict[str, float]
    margin: float


def sigmoid(x: float) -> float:
    """Return 1 / (1 + e^-x) without overflow."""
    return 1.0 / (1.0 + math.exp(-x)) if x > -700.0 else 0.0


def softmax(scores: Sequence[float]) -> Probabilities:
    """Return the three shares of e^score."""
    top = max(scores)
    no, late, early = (math.exp(score - top) for score in scores)
    total = no + late + early
    return no / total, late / total, early / total


def two_heads(any_: float, early: float) -> Probabilities:
    """Join the log-odds of any and of early readmission, as `models.TwoHeads` does."""
    a = sigmoid(any_)
    b = min(sigmoid(early), a)
    return 1.0 - a, a - b, b


def early_first(any_: float, early: float) -> Probabilities:
    """Join them where any readmission is moved or early is of three heads: early stands, and any is at least it."""
    b = sigmoid(early)
    a = max(sigmoid(any_), b)
    return 1.0 - a, a - b, b


def join_many(link: Link, scores: Matrix) -> Matrix:
    """Turn margins, a row each, into the three probabilities, as the functions of one row do."""
    if UNITS[link] == "log_odds":
        with np.errstate(over="ignore"):
            any_, early = (1.0 / (1.0 + np.exp(-scores))).T
        if link != "two_heads":
            any_ = np.maximum(any_, early)
        early = np.minimum(early, any_)
        return np.column_stack([1.0 - any_, any_ - early, early])
    if link == "softmax":
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    return scores

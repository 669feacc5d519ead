"""Raw scores as probabilities: of one encounter and of many alike."""

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest

from readmission.scorer import recipe


@pytest.mark.parametrize(
    ("link", "single"),
    [
        ("softmax", recipe.softmax),
        ("two_heads", lambda s: recipe.two_heads(*s)),
        ("early_first", lambda s: recipe.early_first(*s)),
        ("three_heads", lambda s: recipe.early_first(*s)),
    ],
)
def test_many_are_joined_as_one_is(link: recipe.Link, single: Callable[[list[float]], recipe.Probabilities]) -> None:
    scores = np.random.default_rng(1).normal(0, 300, (50, 3 if link == "softmax" else 2))
    joined = recipe.join_many(link, scores)
    assert joined == pytest.approx(np.array([single(row) for row in scores.tolist()]), abs=1e-12)
    assert joined.sum(axis=1) == pytest.approx(1) and joined.min() >= 0


def test_an_early_readmission_is_never_likelier_than_any() -> None:
    assert recipe.two_heads(-2.0, 3.0) == pytest.approx((0.880797, 0.0, 0.119203), abs=1e-6)


def test_every_link_has_the_unit_of_its_margin() -> None:
    assert set(recipe.UNITS) == set(get_args(recipe.Link))

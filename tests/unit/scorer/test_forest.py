"""Which trees are evaluated by bit vectors."""

import logging

import pytest

from readmission.scorer import forest
from readmission.scorer.layout import Layout
from readmission.scorer.recipe import Recipe

RECIPE = Recipe(layout=Layout(tables=(), flags=(), single=False), link="two_heads", base=(0.0,), trees="trees.txt")


def test_a_large_tree_is_walked_and_the_log_says_that_it_is_slower(caplog: pytest.LogCaptureFixture) -> None:
    large = "tree\nnum_class=1\n\nTree=0\nnum_leaves=40\n\nend of trees\n"
    with caplog.at_level(logging.INFO):
        assert forest._bitvectors(large, RECIPE) is None
    assert "40 leaves" in caplog.text and "slower" in caplog.text


def test_a_small_tree_is_not() -> None:
    small = "tree\nnum_class=1\n\nTree=0\nnum_leaves=1\nleaf_value=0.5\n\nend of trees\n"
    assert forest._bitvectors(small, RECIPE) is not None

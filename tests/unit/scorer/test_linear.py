"""A linear model by hand: levels, slopes, and what stands for a missing number."""

import math

import numpy as np
import pytest

from readmission import contract
from readmission.scorer.invented import invented_rows
from readmission.scorer.layout import Layout, LookupTable
from readmission.scorer.linear import LinearScorer
from readmission.scorer.recipe import Linear, Recipe
from readmission.scorer.rows import columns_of

DAYS, VISITS = (contract.FEATURE_NAMES.index(name) for name in ("time_in_hospital", "number_inpatient"))


def scorer() -> LinearScorer:
    tables = (
        LookupTable("time_in_hospital", tuple(range(1, 15)), tuple(map(float, range(1, 15))), None),
        LookupTable("number_inpatient", tuple(range(200)), tuple(map(float, range(200))), None),
    )
    layout = Layout(tables=tables, flags=(), single=False)
    unused = ((0.0, 0.0, 0.0),) * (layout.width - 2)
    linear = Linear((0.0,) * layout.width, ((0.0, 0.0, 0.5), (0.0, 0.0, 0.25), *unused), ((),) * layout.width)
    recipe = Recipe(layout=layout, link="softmax", base=(1.0, 0.0, -1.0), linear=linear)
    return LinearScorer(None, recipe, None)  # type: ignore[arg-type] # the manifest is only kept


def test_the_margin_is_the_base_and_each_column_s_term() -> None:
    row = list(invented_rows(1)[0])
    row[DAYS], row[VISITS] = 4, 2
    explained = scorer().explain(tuple(row))
    assert explained.contributions["time_in_hospital"] == 2 and explained.contributions["number_inpatient"] == 0.5
    assert (explained.base, explained.margin, explained.unit) == (-1, 1.5, "margin")
    shares = [math.exp(score) for score in (1, 0, 1.5)]
    assert scorer().score(tuple(row)) == pytest.approx([share / sum(shares) for share in shares])


def test_many_are_scored_as_one_is() -> None:
    rows = invented_rows(30, seed=2)
    assert scorer().score_many(columns_of(rows)) == pytest.approx(np.array([scorer().score(row) for row in rows]))

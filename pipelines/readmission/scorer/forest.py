"""Score by trees in LightGBM's form, whatever family they were trained by.

Its C library walks them for one encounter; many at once are scored by `bitvectors` where the trees are small.
"""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from operator import mul
from pathlib import Path
from typing import Any

import numpy as np

from readmission.features.visits import Visits
from readmission.scorer.bitvectors import Bitvectors
from readmission.scorer.manifest import Manifest
from readmission.scorer.native import Trees, split
from readmission.scorer.recipe import (
    UNITS,
    Attribution,
    Matrix,
    Probabilities,
    Recipe,
    early_first,
    join_many,
    softmax,
    two_heads,
)
from readmission.scorer.rows import Columns, RowEncoder, Values

log = logging.getLogger(__name__)
_HEADS = {"two_heads": two_heads, "early_first": early_first, "three_heads": early_first}
#: Rows that are worth a core of their own where trees are walked.
_WALKED = 64


class TreeScorer:
    """Scorer by trees in LightGBM's form."""

    def __init__(self, folder: Path, manifest: Manifest, recipe: Recipe, earlier: Visits | None) -> None:
        self.manifest = manifest
        self._recipe = recipe
        self._rows = RowEncoder(recipe.layout, earlier)
        model = (folder / recipe.trees).read_bytes()
        width, single, outputs = recipe.layout.width, recipe.layout.single, len(recipe.mix or recipe.base)
        self._trees = Trees(model, width=width, outputs=outputs, single=single)
        self._bits = _bitvectors(model.decode(), recipe)
        self._buffer = memoryview(self._trees.buffer)
        self._base = recipe.base
        self._heads = _HEADS.get(recipe.link)
        # Weight of each output in the margin of the last class.
        self._mix = recipe.mix or (*(0.0,) * (outputs - 1), 1.0)
        # Only that margin is explained, by each core a part of its trees.
        kept = np.flatnonzero(self._mix).tolist()
        parts = split(model, outputs, kept, min(4, os.cpu_count() or 1))
        self._explained = np.array([self._mix[output] for output in kept])
        self._parts = [Trees(part, width=width, outputs=len(kept), single=single) for part in parts]
        self._pool = ThreadPoolExecutor(len(parts), "trees")

    def score(self, values: Values) -> Probabilities:
        """Return the probabilities of one encounter."""
        trees = self._trees
        self._buffer[:] = self._rows.row(values)
        trees.predict()
        return self._join(trees.scores)

    def _join(self, scores: Any) -> Probabilities:
        base = self._base
        if self._heads:
            return self._heads(scores[0] + base[0], sum(map(mul, self._mix, scores)) + base[1])
        sums = (scores[0] + base[0], scores[1] + base[1], scores[2] + base[2])
        return softmax(sums) if self._recipe.link == "softmax" else sums

    def score_many(self, columns: Columns) -> Matrix:
        """Return the probabilities of many, a row each."""
        if self._bits is not None:
            scores = self._bits.evaluate(self._rows.pieces(columns))
        else:
            rows = self._rows.matrix(columns)
            parts = np.array_split(rows, min(len(self._parts), 1 + len(rows) // _WALKED))
            scores = np.concatenate(list(self._pool.map(self._trees.predict_many, parts)))
        if self._heads:
            scores = np.column_stack([scores[:, 0], scores @ np.array(self._mix)])
        return join_many(self._recipe.link, scores + self._base)

    def explain(self, values: Values) -> Attribution:
        """Return TreeSHAP of the early margin, summed over the columns that each raw column became."""
        row = self._rows.row(values)
        by_part = self._pool.map(lambda trees: trees.contributions(row), self._parts)
        shares = (self._explained @ np.sum(list(by_part), axis=0)).tolist()
        names = self._recipe.layout.sources
        contributions = dict.fromkeys(names, 0.0)
        for name, share in zip(names, shares[:-1], strict=True):
            contributions[name] += share
        base = shares[-1] + self._base[-1]
        return Attribution(UNITS[self._recipe.link], base, contributions, base + sum(shares[:-1]))


def _bitvectors(model: str, recipe: Recipe) -> Bitvectors | None:
    """Return what evaluates many rows fastest, or None if the trees are too large for it."""
    try:
        return Bitvectors(model, outputs=len(recipe.mix or recipe.base), single=recipe.layout.single)
    except ValueError as reason:
        log.info("trees are walked in batches too, which is slower: %s", reason)
        return None

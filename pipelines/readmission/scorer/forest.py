"""Score by trees in LightGBM's C library, whatever family they were trained by."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from readmission.scorer.manifest import Manifest
from readmission.scorer.native import Trees
from readmission.scorer.recipe import UNITS, Explanation, Probabilities, Recipe, softmax, two_heads
from readmission.scorer.rows import RowEncoder, Values
from readmission.visits import Visits

_BATCH = 2_000


class TreeScorer:
    """Score by LightGBM's C library."""

    def __init__(self, folder: Path, manifest: Manifest, recipe: Recipe, threads: int, known: Visits | None) -> None:
        self.manifest = manifest
        self._threads = threads
        self._recipe = recipe
        self._rows = RowEncoder(recipe.layout, known)
        self._trees = Trees(
            folder / recipe.trees,
            width=recipe.layout.width,
            outputs=len(recipe.base),
            single=recipe.layout.single,
        )
        self._buffer = memoryview(self._trees.buffer)
        self._base = recipe.base
        self._heads = recipe.link == "two_heads"

    def score(self, values: Values) -> Probabilities:
        """Return the probabilities of one encounter."""
        trees = self._trees
        self._rows.write(self._buffer, 0, values)
        trees.predict()
        return self._join(trees.scores)

    def _join(self, scores: Any) -> Probabilities:
        base = self._base
        if self._heads:
            return two_heads(scores[0] + base[0], scores[1] + base[1])
        sums = (scores[0] + base[0], scores[1] + base[1], scores[2] + base[2])
        return softmax(sums) if self._recipe.link == "softmax" else sums

    def score_many(self, rows: Sequence[Values]) -> list[Probabilities]:
        """Return the probabilities of many."""
        found: list[Probabilities] = []
        stride, outputs = self._rows.stride, len(self._base)
        for start in range(0, len(rows), _BATCH):
            part = rows[start : start + _BATCH]
            buffer = bytearray(stride * len(part))
            view, write = memoryview(buffer), self._rows.write
            for i, values in enumerate(part):
                write(view, i * stride, values)
            view.release()
            scores = self._trees.predict_many(buffer, len(part), threads=self._threads)[:]
            found += [self._join(scores[i : i + outputs]) for i in range(0, len(scores), outputs)]
        return found

    def explain(self, values: Values) -> Explanation:
        """Return TreeSHAP of the early output, summed over the columns that each raw column became."""
        row = bytearray(self._rows.stride)
        self._rows.write(memoryview(row), 0, values)
        width = self._recipe.layout.width
        output = len(self._base) - 1
        start = output * (width + 1)
        shares = self._trees.contributions(row)[start : start + width + 1]
        names = self._recipe.layout.sources
        found = dict.fromkeys(names, 0.0)
        for name, share in zip(names, shares[:-1], strict=True):
            found[name] += share
        base = shares[-1] + self._base[output]
        return Explanation(UNITS[self._recipe.link], base, found, base + sum(shares[:-1]))

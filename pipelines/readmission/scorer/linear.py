"""Score by a linear model over the row."""

import math
from typing import Any

import numpy as np

from readmission.features.visits import Visits
from readmission.scorer.manifest import Manifest
from readmission.scorer.recipe import UNITS, Attribution, Linear, Matrix, Probabilities, Recipe, join_many, softmax
from readmission.scorer.rows import Columns, RowEncoder, Values


class LinearScorer:
    """Scorer by weights: numbers times slopes, and for a level column the weights of its level.

    Args:
        manifest: Manifest of the folder.
        recipe: Recipe of that folder.
        earlier: Earlier encounters of patients.
    """

    def __init__(self, manifest: Manifest, recipe: Recipe, earlier: Visits | None) -> None:
        self.manifest = manifest
        self._recipe = recipe
        self._rows = RowEncoder(recipe.layout, earlier)
        linear = recipe.linear or Linear((), (), ())
        self._fill = np.array(linear.fill)
        self._slopes = np.array(linear.slopes)
        self._levels = [(i, np.array(table)) for i, table in enumerate(linear.levels) if table]
        self._base = np.array(recipe.base)

    def _terms(self, values: Values) -> Any:
        row = np.frombuffer(self._rows.row(values))
        terms = np.where(np.isnan(row), self._fill, row)[:, None] * self._slopes
        for position, table in self._levels:
            level = row[position]
            if not math.isnan(level):
                terms[position] = table[int(level)]
        return terms

    def score(self, values: Values) -> Probabilities:
        """Return the probabilities of one encounter."""
        return softmax((self._terms(values).sum(axis=0) + self._base).tolist())

    def score_many(self, columns: Columns) -> Matrix:
        """Return the probabilities of many, a row each."""
        matrix = self._rows.matrix(columns)
        scores = np.where(np.isnan(matrix), self._fill, matrix) @ self._slopes + self._base
        for position, table in self._levels:
            present = ~np.isnan(matrix[:, position])
            scores[present] += table[matrix[present, position].astype(np.int64)]
        return join_many(self._recipe.link, scores)

    def explain(self, values: Values) -> Attribution:
        """Return each raw column's term of the early class's margin; the mean term is not removed."""
        terms = self._terms(values)[:, -1].tolist()
        names = self._recipe.layout.sources
        contributions = dict.fromkeys(names, 0.0)
        for name, term in zip(names, terms, strict=True):
            contributions[name] += term
        base = float(self._base[-1])
        return Attribution(UNITS[self._recipe.link], base, contributions, base + sum(terms))

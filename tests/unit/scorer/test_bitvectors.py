"""Bits of leaves find the leaf that LightGBM's own library walks to, for any number."""

import lightgbm
import numpy as np
import pytest

from readmission.scorer import trees
from readmission.scorer.bitvectors import Bitvectors
from readmission.scorer.native import Trees
from readmission.scorer.rows import Piece

WIDTH, CATEGORY, LEAVES = 5, 4, 32


def _text(seed: int, leaves: int = LEAVES, **params: object) -> str:
    """Train two outputs on numbers, some of them missing, and a category of 70 levels."""
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(4000, WIDTH)).round(1)
    matrix[random.random(matrix.shape) < 0.1] = np.nan
    matrix[:, 0] = np.nan_to_num(matrix[:, 0])
    matrix[:, CATEGORY] = random.integers(0, 70, 4000)
    y = random.random((2, 4000)) < 1 / (1 + np.exp(-np.nan_to_num(matrix).sum(axis=1) % 3))
    options = {
        "objective": "binary",
        "num_leaves": leaves,
        "min_data_in_leaf": 5,
        "verbose": -1,
        "seed": seed,
        **params,
    }
    boosters = []
    for k in range(2):
        table = lightgbm.Dataset(matrix, y[k], categorical_feature=[CATEGORY], free_raw_data=False)
        boosters.append(lightgbm.train(options, table, num_boost_round=8 + 3 * k))
    return trees.text_model(trees.of_lightgbm(boosters, range(WIDTH)), WIDTH)


def _rows(text: str, seed: int) -> np.ndarray:
    """Draw numbers of every kind, among them the thresholds themselves and categories that no tree has seen."""
    random = np.random.default_rng(seed)
    edges = [float(x) for line in text.splitlines() if line.startswith("threshold=") for x in line[10:].split()]
    # LightGBM's library takes numbers within 1e-35 for 0, and so its edges beside 0; nothing measured is so small.
    edges = [edge for edge in edges if abs(edge) > 1e-30]
    matrix = random.choice([*edges, *random.normal(size=300), 0.0, -1e300, 1e300, np.inf, np.nan], (3000, WIDTH))
    matrix[:, CATEGORY] = random.choice([*range(-2, 200), 1e9, 3.7, -0.5, np.nan], 3000)
    return matrix


def _pieces(matrix: np.ndarray, *widths: int) -> list[Piece]:
    pieces = []
    for block in np.split(matrix, np.cumsum(widths)[:-1], axis=1):
        packed = [row.tobytes() for row in block]
        rows = list(dict.fromkeys(packed))
        pieces.append(Piece(rows, np.array([rows.index(row) for row in packed], np.intp)))
    return pieces


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("seed", [1, 2])
def test_every_leaf_is_the_one_that_lightgbm_finds(single: bool, seed: int) -> None:
    text = _text(seed)
    # What is tested: trees with every leaf they may have, categories, and missing values on both sides.
    assert f"num_leaves={LEAVES}" in text and "num_cat=0" not in text.partition("\nTree=1\n")[0]
    kinds = {kind for line in text.splitlines() if line.startswith("decision_type=") for kind in line[14:].split()}
    assert {"8", "10"} <= kinds and kinds & {"1", "9"}
    matrix = _rows(text, seed).astype(np.float32 if single else np.float64)
    native = Trees(text.encode(), width=WIDTH, outputs=2, single=single)
    bits = Bitvectors(text, outputs=2, single=single)
    for _ in range(2):  # the second time from what is remembered
        scores = bits.evaluate(_pieces(matrix, 1, 3, 1))
        assert scores == pytest.approx(native.predict_many(matrix), abs=1e-12)
    # Any cut into pieces is the same, and so is one row alone.
    assert np.array_equal(bits.evaluate(_pieces(matrix[:40], 2, 2, 1)), scores[:40])
    assert np.array_equal(bits.evaluate(_pieces(matrix[7:8], 5)), scores[7:8])


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("readmission.scorer.bitvectors._CACHED", 50)
    text = _text(3)
    bits, native = Bitvectors(text, outputs=2, single=False), Trees(text.encode(), width=WIDTH, outputs=2, single=False)
    matrix = _rows(text, 3)
    for start in range(0, 300, 40):
        part = matrix[start : start + 60]
        assert bits.evaluate(_pieces(part, 2, 3)) == pytest.approx(native.predict_many(part), abs=1e-12)
        assert all(len(cached) <= 60 for cached in bits._cache.values())


def test_trees_that_it_cannot_hold_are_refused() -> None:
    with pytest.raises(ValueError, match="33 leaves"):
        Bitvectors(_text(4, LEAVES + 1), outputs=2, single=False)
    with pytest.raises(ValueError, match="zero for missing"):
        Bitvectors(_text(4, zero_as_missing=True), outputs=2, single=False)

"""Evaluate small trees for many rows at once: QuickScorer, with a table a column.

Each tree is a set of bits, one a leaf from left to right. A condition that does not hold rules out the leaves to
its left, whatever the other conditions say; the leftmost leaf that is left over is the one that a walk from the
root finds. So what rules out which leaves is looked up by column and value, for all trees together, and a row
costs an AND of its pieces: a fraction of the time that walking takes, most of which goes into branches.
Lucchese et al., QuickScorer, SIGIR 2015.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from readmission.scorer.recipe import Matrix
from readmission.scorer.rows import Piece
from readmission.scorer.trees import EMPTY

#: Bits of a tree: the exponent of a float names the lowest one.
_LEAVES = 32
_ALL = np.uint32(2**_LEAVES - 1)
_EXPONENT, _BIAS = np.uint32(23), np.uint32(127)
#: LightGBM's decision_type: categorical, missing goes left, and what is missing (none of the rows has zero for it).
_CATEGORICAL, _LEFT, _KIND, _ZERO, _NAN = 1, 2, 12, 4, 8
#: Rows evaluated at once: their bits stay in the processor's cache.
_ROWS = 128
#: Pieces of one place whose bits are kept.
_CACHED = 4_000

_Bits = npt.NDArray[np.uint32]


class NodeCondition(NamedTuple):
    """Question of an inner node: is the value at most the threshold, or one of the categories?

    Positional, because a scorer builds one for every inner node when it loads.

    Attributes:
        tree: Position of the tree.
        left: Bits of the leaves to the left, where the answer is yes.
        kind: LightGBM's decision_type.
        threshold: Threshold of a condition on a number.
        categories: Categories of a condition on a category.
    """

    tree: int
    left: int
    kind: int
    threshold: float
    categories: frozenset[int]


class LeafMasks:
    """Leaves that a value of one column leaves over in every tree.

    Args:
        conditions: Every condition on the column. LightGBM's are either all on numbers or all on categories.
        trees: Number of trees.
    """

    def __init__(self, conditions: Sequence[NodeCondition], trees: int) -> None:
        tree, kind = (np.array([getattr(c, name) for c in conditions]) for name in ("tree", "kind"))
        rest = ~np.array([c.left for c in conditions], np.uint32)
        self._numeric = not kind[0] & _CATEGORICAL
        # A row for each span between two edges, or for each category; the last for what is missing (or no category).
        if self._numeric:
            threshold = np.array([c.threshold for c in conditions])
            self._edges, edge = np.unique(threshold, return_inverse=True)
            self._bits = np.full((len(self._edges) + 2, trees), _ALL)
            np.bitwise_and.at(self._bits, (edge + 1, tree), rest)
            np.bitwise_and.accumulate(self._bits[:-1], axis=0, out=self._bits[:-1])
            right = np.where(kind & _KIND == _NAN, kind & _LEFT == 0, threshold < 0)
        else:
            self._bits = np.full((max(max(c.categories, default=0) for c in conditions) + 2, trees), _ALL)
            for condition, bits in zip(conditions, rest, strict=True):
                others = np.ones(len(self._bits) - 1, bool)
                others[list(condition.categories)] = False
                self._bits[:-1][others, condition.tree] &= bits
            right = np.ones(len(conditions), bool)
        np.bitwise_and.at(self._bits[-1], tree[right], rest[right])

    def of(self, numbers: npt.NDArray[np.floating[Any]]) -> _Bits:
        """Return the bits of numbers, a row each."""
        last = len(self._bits) - 1
        with np.errstate(invalid="ignore"):
            rows = np.searchsorted(self._edges, numbers) if self._numeric else numbers.astype(np.intp)
        present = ~np.isnan(numbers) if self._numeric else (numbers > -1) & (numbers < last)
        return self._bits[np.where(present, rows, last)]


class Bitvectors:
    """One set of trees for `evaluate`, which any thread may call.

    Args:
        model: LightGBM's text format, as `trees.text_model` writes it.
        outputs: Number of raw scores of a row.
        single: Whether rows are float32 rather than float64.

    Raises:
        ValueError: A tree has more than 32 leaves or takes zero for missing.
    """

    def __init__(self, model: str, *, outputs: int, single: bool) -> None:
        blocks = model.partition("\nend of trees")[0].split("\nTree=")[1:]
        # The outputs' trees take turns in the text, in as many rounds as the longest has; here those of one output are
        # together, without the empty ones that filled it up.
        groups = [[block for block in blocks[i::outputs] if EMPTY not in block] for i in range(outputs)]
        blocks = [block for group in groups for block in group]
        ends = np.cumsum([len(group) for group in groups]).tolist()
        self._groups = [slice(end - len(group), end) for group, end in zip(groups, ends, strict=True)]
        asked: dict[int, list[NodeCondition]] = {}
        values = np.zeros((len(blocks), _LEAVES))
        for number, block in enumerate(blocks):
            tree = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
            if int(tree["num_leaves"]) > _LEAVES:
                raise ValueError(f"a tree has {tree['num_leaves']} leaves, more than {_LEAVES}")
            order = _leaves(tree)
            values[number, : len(order)] = np.array(tree["leaf_value"].split(), float)[order]
            for column, condition in _conditions(number, tree, order):
                asked.setdefault(column, []).append(condition)
        self._columns = {column: LeafMasks(conditions, len(blocks)) for column, conditions in asked.items()}
        self._values = values.ravel()
        self._starts = (np.arange(len(blocks)) * _LEAVES).astype(np.uint32) - _BIAS
        self._type: type[np.floating[Any]] = np.float32 if single else np.float64
        self._cache: dict[int, dict[bytes, bytes]] = {}
        self._last: dict[int, tuple[Sequence[bytes], _Bits]] = {}

    def evaluate(self, pieces: Sequence[Piece]) -> Matrix:
        """Return the raw scores of the rows that the pieces make side by side, a row each."""
        count = len(pieces[0].positions)
        tables = [(self._bits(first, rows), positions) for first, rows, positions in self._useful(pieces)]
        scores = np.empty((count, len(self._groups)))
        for start in range(0, count, _ROWS):
            end = min(count, start + _ROWS)
            bits = np.full((end - start, len(self._starts)), _ALL)
            part = np.empty_like(bits)
            for table, positions in tables:
                np.take(table, positions[start:end], axis=0, out=part, mode="clip")
                np.bitwise_and(bits, part, out=bits)
            bits &= -bits
            leaves = (bits.astype(np.float32).view(np.uint32) >> _EXPONENT) + self._starts
            reached = np.take(self._values, leaves, mode="clip")
            for output, group in enumerate(self._groups):
                reached[:, group].sum(axis=1, out=scores[start:end, output])
        return scores

    def _useful(self, pieces: Sequence[Piece]) -> Iterator[tuple[int, Sequence[bytes], npt.NDArray[np.intp]]]:
        """Yield the first column of each piece that a tree asks for, and the piece."""
        first, size = 0, np.dtype(self._type).itemsize
        for rows, positions in pieces:
            width = len(rows[0]) // size
            if any(column in self._columns for column in range(first, first + width)):
                yield first, rows, positions
            first += width

    def _bits(self, first: int, rows: Sequence[bytes]) -> _Bits:
        """Return the bits of a piece's combinations; most were there before, and many pieces are whole tables."""
        last = self._last.get(first)
        if last is not None and last[0] is rows:
            return last[1]
        cache = self._cache.setdefault(first, {})
        packed = [cache.get(row) for row in rows]
        new = [row for row, bits in zip(rows, packed, strict=True) if bits is None]
        if new:
            made = dict(zip(new, map(np.ndarray.tobytes, self._combine(first, new)), strict=True))
            if len(cache) + len(made) > _CACHED:
                cache.clear()
            cache.update(made)
            packed = [bits or made[row] for row, bits in zip(rows, packed, strict=True)]
        together = np.frombuffer(b"".join(filter(None, packed)), np.uint32).reshape(len(rows), -1)
        self._last[first] = rows, together
        return together

    def _combine(self, first: int, rows: Sequence[bytes]) -> _Bits:
        numbers = np.frombuffer(b"".join(rows), self._type).reshape(len(rows), -1)
        bits = np.full((len(rows), len(self._starts)), _ALL)
        for i, values in enumerate(numbers.T):
            if (column := self._columns.get(first + i)) is not None:
                bits &= column.of(values)
        return bits


def _children(tree: dict[str, str]) -> list[tuple[int, int]]:
    return list(zip(*(map(int, tree.get(side, "").split()) for side in ("left_child", "right_child")), strict=True))


def _leaves(tree: dict[str, str]) -> list[int]:
    """Return the numbers of a tree's leaves from left to right."""
    children = _children(tree)
    leaves, waiting = [], [0 if children else ~0]
    while waiting:
        node = waiting.pop()
        if node < 0:
            leaves.append(~node)
        else:
            waiting += reversed(children[node])
    return leaves


def _conditions(number: int, tree: dict[str, str], order: Sequence[int]) -> Iterator[tuple[int, NodeCondition]]:
    """Yield the column that each inner node of a tree asks for, and its condition."""
    children = _children(tree)
    bit = {~leaf: 1 << position for position, leaf in enumerate(order)}

    def below(node: int) -> int:
        return bit[node] if node < 0 else below(children[node][0]) | below(children[node][1])

    bounds, bitmaps = (list(map(int, tree.get(name, "").split())) for name in ("cat_boundaries", "cat_threshold"))
    fields = (tree.get(name, "").split() for name in ("split_feature", "decision_type", "threshold"))
    for (left, _), column, kind, threshold in zip(children, *fields, strict=True):
        if int(kind) & _KIND == _ZERO:
            raise ValueError("a tree takes zero for missing")
        categories: frozenset[int] = frozenset()
        if int(kind) & _CATEGORICAL:
            chosen = bitmaps[bounds[int(threshold)] : bounds[int(threshold) + 1]]
            categories = frozenset(32 * i + j for i, word in enumerate(chosen) for j in range(32) if word >> j & 1)
        yield int(column), NodeCondition(number, below(left), int(kind), float(threshold), categories)

"""Invent encounters from the contract alone, to compare and to time scorers with."""

from collections.abc import Sequence
from functools import lru_cache
from random import Random

from readmission import contract
from readmission.scorer.rows import Values


@lru_cache(maxsize=4)
def invented_rows(count: int, seed: int = 7) -> Sequence[Values]:
    """Invent rows from the contract alone: every level, extreme numbers, rare codes, many unknowns.

    The same rows each time. A promotion compiles up to five models and compares each on them.
    """
    random = Random(seed)  # noqa: S311 - test rows
    rows: list[Values] = []
    for _ in range(count):
        unknown = random.choice((0.0, 0.1, 0.5, 1.0))
        rows.append(tuple(_invent(column, random, unknown) for column in contract.FEATURE_COLUMNS))
    return tuple(rows)


def _invent(column: contract.Column, random: Random, unknown: float) -> str | int | None:
    if not column.required and random.random() < unknown:
        return contract.MISSING_TOKEN if column.nullable and random.random() < 0.5 else None
    return column.draw(random)

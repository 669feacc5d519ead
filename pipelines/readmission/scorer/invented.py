"""Invent encounters from the contract alone, to compare and to time scorers with."""

from random import Random

from readmission import contract
from readmission.scorer.rows import Values


def invented_rows(count: int, seed: int = 7) -> list[Values]:
    """Invent rows from the contract alone: every level, extreme numbers, rare codes, many unknowns."""
    random = Random(seed)  # noqa: S311 - test rows
    rows: list[Values] = []
    for _ in range(count):
        unknown = random.choice((0.0, 0.1, 0.5, 1.0))
        rows.append(tuple(_invent(column, random, unknown) for column in contract.FEATURES))
    return rows


def _invent(column: contract.Column, random: Random, unknown: float) -> str | int | None:
    if not column.required and random.random() < unknown:
        return contract.UNKNOWN if column.nullable and random.random() < 0.5 else None
    match column.kind:
        case "integer":
            return random.randint(column.minimum, column.maximum)
        case "coded":
            return int(random.choice(column.levels))
        case "level":
            return random.choice(column.levels)
        case _:
            whole = random.choice((f"{random.randint(0, 999)}", f"V{random.randint(1, 91):02d}"))
            decimals = random.choice(("", f".{random.randint(0, 9)}", f".{random.randint(0, 99):02d}"))
            number = random.choice((whole + decimals, f"250.{random.randint(0, 93):02d}"))
            return random.choice((number, number, f"E{random.randint(800, 999)}"))

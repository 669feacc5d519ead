"""Stored ratios of our rate to that of a bare echo and of a FastAPI without a model. Times would not compare."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec

from bench.serving import drive
from bench.serving.rounds import Figure
from readmission.errors import UserError

STORED = Path(__file__).with_name("ratios.json")
#: The best round below this share of the stored median is not noise, even on a busy machine.
TOLERANCE = 0.5


class Ratio(msgspec.Struct, frozen=True):
    """Our single-row rate divided by another service's in the same round: median and range over the rounds."""

    median: float
    lowest: float
    highest: float


def of(figures: Sequence[Figure]) -> dict[str, Ratio]:
    """Return the ratios of our rate to each other service's."""
    by_name = {figure.peer: figure for figure in figures if figure.size == 1 and figure.workers == 1}
    ours = by_name.pop("ours")
    ratios = {}
    for name, other in by_name.items():
        rounds = [a / b for a, b in zip(ours.ratios, other.ratios, strict=True)]
        ratios[f"ours/{name}"] = Ratio(median(rounds), min(rounds), max(rounds))
    return ratios


def store(measured: dict[str, Ratio], path: Path = STORED) -> None:
    """Store the ratios of this load generator; those of other generators stay."""
    stored = _read(path) if path.exists() else {}
    stored[drive.tool()] = measured
    path.write_bytes(msgspec.json.format(msgspec.json.encode(stored), indent=1) + b"\n")


def compare(measured: dict[str, Ratio], path: Path = STORED) -> list[str]:
    """Return a sentence for every ratio that fell beyond noise.

    Raises:
        UserError: No ratios are stored for this load generator.
    """
    stored = _read(path).get(drive.tool())
    if stored is None:
        raise UserError(f"No ratios are stored for {drive.tool()}: run `python -m bench check --store`.")
    return [
        f"FAIL: {name} was {before.median:.3f} and is now {measured[name].median:.3f} "
        f"(highest {measured[name].highest:.3f}): slower beyond noise"
        for name, before in stored.items()
        if measured[name].highest < TOLERANCE * before.median
    ]


def _read(path: Path) -> dict[str, dict[str, Ratio]]:
    return msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, Ratio]])

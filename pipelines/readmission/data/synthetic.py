"""A small synthetic data set made from the contract: for a first look without the real data, never for figures."""

import csv
import io
from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from random import Random

import numpy as np

from readmission import contract
from readmission.contract import codes
from readmission.data.sources import SYNTHETIC_MARK
from readmission.files import write_atomic
from readmission.settings import Settings

#: Diagnoses that the sample draws from, the frequent ones of the field.
_DIAGNOSES = ("428", "414", "786", "410", "486", "427", "250.02", "250.6", "401", "276", "403", "V45", "E878")
#: Where the shares of a drug's levels end in a uniform draw, but for the last: of the drugs in use, and of the others.
_USED, _UNUSED = (tuple(accumulate(shares)) for shares in ((0.6, 0.1, 0.2), (0.995, 0.001, 0.003)))


def sample_path(settings: Settings, rows: int = 6000) -> Path:
    """Write the sample below the state folder, if it is not there, and return its path."""
    path = settings.home / "cache" / f"synthetic-{rows}.csv"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, generate(rows, settings.seed))
    return path


def generate(rows: int, seed: int) -> bytes:
    """Generate a csv of synthetic encounters that the contract accepts.

    Values are drawn independently, but for a planted, weak dependence of the outcome on earlier inpatient stays,
    days in hospital and insulin, so that a model has something to find.

    Args:
        rows: Number of encounters. About a fifth belong to patients with more than one.
        seed: Seed of the generator; the same seed gives the same bytes.
    """
    rng = np.random.default_rng(seed)
    buffer = io.StringIO()
    buffer.write(SYNTHETIC_MARK.decode() + ": generated from the contract, describes no patient\n")
    writer = csv.DictWriter(buffer, contract.COLUMN_NAMES, lineterminator="\n")
    writer.writeheader()
    patients = rng.integers(1, int(rows * 0.9) + 1, rows)
    for number in range(rows):
        row = {column.name: _draw(column, rng) for column in contract.FEATURE_COLUMNS}
        row |= {"encounter_id": str(1000 + 7 * number), "patient_nbr": str(100 + patients[number])}
        writer.writerow(_consistent(row, rng))
    return buffer.getvalue().encode()


def _draw(column: contract.Column, rng: np.random.Generator) -> str:
    if column.nullable and rng.random() < 0.1:
        return contract.MISSING_TOKEN
    if column.name in contract.DIAGNOSES:
        return _pick(_DIAGNOSES, rng)
    if column.name in codes.DRUGS:
        used = column.name in ("metformin", "insulin", "glipizide", "glyburide")
        return column.levels[bisect(_USED if used else _UNUSED, rng.random())]
    if column.levels:
        return _pick(column.levels, rng)
    if column.name in contract.NUMERIC:
        low = max(column.minimum, 1 if column.required else 0)
        return str(int(min(column.maximum, low + rng.poisson(4 if column.required else 0.5))))
    return str(column.draw(Random(int(rng.integers(2**32)))))  # noqa: S311 - a draw, not a secret


def _pick(levels: Sequence[str], rng: np.random.Generator) -> str:
    """Draw as `rng.choice` does, which makes an array of the levels for each draw."""
    return levels[int(rng.integers(len(levels)))]


def _consistent(row: dict[str, str], rng: np.random.Generator) -> dict[str, str]:
    """Make the row free of contradictions and draw its outcome."""
    doses = [row[name] for name in codes.DRUGS]
    prescribed = sum(dose != "No" for dose in doses)
    row["diabetesMed"] = "Yes" if prescribed else "No"
    row["change"] = "Ch" if any(dose in ("Up", "Down") for dose in doses) else "No"
    row["num_medications"] = str(max(int(row["num_medications"]), prescribed))
    row["number_diagnoses"] = str(max(int(row["number_diagnoses"]), 3))
    score = -2.3 + 0.5 * int(row["number_inpatient"]) + 0.08 * int(row["time_in_hospital"])
    score += 0.5 * (row["insulin"] in ("Up", "Down"))
    early, late = 1 / (1 + np.exp(-score)), 0.35
    draw = rng.random()
    row[contract.TARGET] = "<30" if draw < early else ">30" if draw < early + late * (1 - early) else "NO"
    if row["discharge_disposition_id"] in ("11", "19", "20", "21"):
        row[contract.TARGET] = "NO"
    return row

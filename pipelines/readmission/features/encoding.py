"""Turn encounters into the numbers that models see. Pure: no file, no database, no fitted state.

Every feature of `FEATURES` is one of few simple functions of one row, so that `readmission.scorer` can
compute the same numbers without pandas:

| rule | value |
|---|---|
| `number` | the column's number; absent or missing: NaN, or `absent` when the feature has one |
| `level` | position of the text in `levels`; missing: NaN |
| `icd9_number`, `icd9_chapter` | that field of `icd9.parse(code)`; missing: NaN |
| `icd9_flag` | the largest `icd9.parse(code).flags[position]` of the three diagnoses; none known: 0 |
| `history` | what the patient's earlier encounters say (`visits.summarise`); the first visit: `absent` |
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from readmission import contract
from readmission.features import icd9

Rule = Literal["number", "level", "icd9_number", "icd9_chapter", "icd9_flag", "history"]
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Feature:
    """Describe one number that a model sees.

    Attributes:
        name: name in importances and pictures.
        rule: how it is computed; see the module's table.
        source: the raw column; empty for `icd9_flag`, which reads all of `contract.DIAGNOSES`.
        levels: the texts of `level`, in the order of their positions; the codes of a coded `number`.
        position: of the flag in `icd9.FLAG_NAMES`.
        absent: value of a `number` or `history` whose column is absent or missing.
    """

    name: str
    rule: Rule
    source: str = ""
    levels: tuple[str, ...] = ()
    position: int = 0
    absent: float = math.nan

    @property
    def categorical(self) -> bool:
        """Tell whether the numbers are names without an order."""
        return self.rule == "icd9_chapter" or (bool(self.levels) and self.source not in ORDERED)

    @property
    def categories(self) -> tuple[float, ...]:
        """Return the numbers that a feature with closed levels may take."""
        match self.rule:
            case "level":
                return tuple(float(i) for i in range(len(self.levels)))
            case "icd9_chapter":
                return tuple(float(i) for i in range(len(icd9.CHAPTERS)))
            case _:
                return tuple(map(float, self.levels))


#: Level columns whose levels stand in a natural order.
ORDERED = frozenset({"age", "weight", "max_glu_serum", "A1Cresult"})


def _features() -> tuple[Feature, ...]:
    features: list[Feature] = []
    for column in contract.FEATURE_COLUMNS:
        if column.name in contract.DIAGNOSES:
            features.append(Feature(f"{column.name}_number", "icd9_number", column.name))
            features.append(Feature(f"{column.name}_chapter", "icd9_chapter", column.name))
        else:
            rule: Rule = "level" if column.is_text else "number"
            features.append(Feature(column.name, rule, column.name, column.levels))
    flags = (Feature(name, "icd9_flag", position=i) for i, name in enumerate(icd9.FLAG_NAMES))
    return (*features, *flags)


#: Every feature of a single encounter, in the order of the matrix's columns.
FEATURES: tuple[Feature, ...] = _features()


def typed_frame(raw: pd.DataFrame) -> pd.DataFrame:
    """Give accepted raw text its types: the typed frame of docs/architecture.md.

    Args:
        raw: text columns of the contract (any subset, any others are kept as they are); `?` or missing
            means not known.

    Returns:
        a new frame with the same index: integer and coded columns float64, others pandas `str`;
        identifiers int64.

    Raises:
        ValueError: a number that validation should have refused.
    """
    columns: dict[str, Any] = {}
    for name in raw.columns:
        column = contract.BY_NAME.get(name)
        values = raw[name]
        if column is None:
            columns[name] = values
        elif column.dtype == "int64":
            columns[name] = values.astype("int64")
        else:
            text = values.astype("str")
            text = text.mask(text == contract.MISSING_TOKEN)
            columns[name] = text.astype(column.dtype)
    return pd.DataFrame(columns, index=raw.index)


@lru_cache(maxsize=1 << 20)
def split_of(patient_nbr: int) -> str:
    """Return the split a patient belongs to for ever: 70 % train, 15 % validation, 15 % test.

    The first 8 hexadecimal digits of sha256 of the decimal number, modulo 100: below 70 train, below 85
    validation, else test.

    >>> split_of(8222157), split_of(900), split_of(774)
    ('train', 'validation', 'test')
    """
    bucket = int(hashlib.sha256(str(patient_nbr).encode()).hexdigest()[:8], 16) % 100
    return "train" if bucket < 70 else "validation" if bucket < 85 else "test"


def example() -> pd.DataFrame:
    """Return the contract's example as a typed frame of one row."""
    given = {name: str(value) for name, value in contract.EXAMPLE.items()}
    assumed = {c.name: c.assumed or contract.MISSING_TOKEN for c in contract.FEATURE_COLUMNS}
    return typed_frame(pd.DataFrame([assumed | given]))


def target(frame: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return the outcome as positions in `contract.CLASSES`: the y of every model.

    Raises:
        ValueError: an outcome is missing or not a class.
    """
    codes: npt.NDArray[np.int64] = _positions(frame[contract.TARGET], contract.CLASSES)
    if (codes < 0).any():
        raise ValueError(f"{contract.TARGET} must be one of {', '.join(contract.CLASSES)} in every row")
    return codes


def encode(frame: pd.DataFrame, features: Sequence[Feature] = FEATURES) -> Matrix:
    """Compute the features of a typed frame.

    Args:
        frame: the typed frame, n rows; absent columns are unknown; others are ignored.
        features: which to compute.

    Returns:
        float64 array (n, len(features)), NaN where a value is not known.

    Raises:
        ValueError: a text is not of the contract, which ingest and the API refuse.
    """
    matrix = np.empty((len(frame), len(features)))
    codes = [_read_codes(frame, name) for name in contract.DIAGNOSES]
    for position, feature in enumerate(features):
        matrix[:, position] = _column(frame, feature, codes)
    return matrix


def _read_codes(frame: pd.DataFrame, name: str) -> tuple[npt.NDArray[np.intp], Matrix]:
    """Return each row's position in a table of number, chapter and flags: each distinct code is read once."""
    if name not in frame:
        return np.zeros(len(frame), dtype=np.intp), np.array([_row(icd9.UNKNOWN_CODE)])
    positions, distinct = pd.factorize(frame[name])
    # factorize gives -1 to missing: the last row.
    return positions, np.array([*(_row(icd9.parse(code)) for code in distinct), _row(icd9.UNKNOWN_CODE)])


def _row(code: icd9.Code) -> tuple[float, ...]:
    return (code.number, code.chapter, *code.flags)


def _column(frame: pd.DataFrame, feature: Feature, codes: list[tuple[npt.NDArray[np.intp], Matrix]]) -> Any:
    if feature.rule == "icd9_flag":
        return np.maximum.reduce([table[rows, 2 + feature.position] for rows, table in codes])
    if feature.rule in ("icd9_number", "icd9_chapter"):
        rows, table = codes[contract.DIAGNOSES.index(feature.source)]
        return table[rows, 0 if feature.rule == "icd9_number" else 1]
    if feature.source not in frame:
        return feature.absent
    values = frame[feature.source]
    if feature.rule in ("number", "history"):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        return numbers if math.isnan(feature.absent) else np.where(np.isnan(numbers), feature.absent, numbers)
    found = _positions(values, feature.levels)
    missing = found < 0
    if missing.sum() != values.isna().sum():
        raise ValueError(f"{feature.source} holds a level that is not of the contract")
    return np.where(missing, np.nan, found)


def _positions(values: pd.Series, levels: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return each text's position in levels; -1 for what is missing or not among them."""
    codes, distinct = pd.factorize(values)
    position = {level: i for i, level in enumerate(levels)}
    table = np.array([*(position.get(text, -1) for text in distinct), -1], dtype=np.int64)
    found: npt.NDArray[np.int64] = table[codes]
    return found

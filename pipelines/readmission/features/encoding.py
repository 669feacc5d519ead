"""Turn encounters into the numbers that models see. Pure: no file, no database, no fitted state.

Every feature of `FEATURES` is one of few simple functions of one row, so that `readmission.scorer` can
compute the same numbers without pandas:

| rule | value |
|---|---|
| `number` | the column's number; absent or missing: NaN, or `absent` when the feature has one |
| `level` | position of the text in `levels`; missing: NaN |
| `icd9_number`, `icd9_chapter` | that field of `icd9.parse(code, grain)`; missing: NaN |
| `icd9_flag` | the largest `icd9.parse(code).flags[position]` of the three diagnoses; none known: 0 |
| `history` | what the patient's earlier encounters say (`visits.summarise`); the first visit: `absent` |
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute

from readmission import contract
from readmission.contract import icd
from readmission.contract.kinds import Dtype, Value
from readmission.features import icd9
from readmission.features.icd9 import Grain

Rule = Literal["number", "level", "icd9_number", "icd9_chapter", "icd9_flag", "history"]
Matrix = npt.NDArray[np.float64]
_ARROW_TYPES: Mapping[Dtype, pa.DataType] = {"str": pa.string(), "float64": pa.float64(), "int64": pa.int64()}


@dataclass(frozen=True, slots=True)
class Feature:
    """Rule of one number that a model sees.

    Attributes:
        name: Name in importances and plots.
        rule: How it is computed; see the table of the module.
        source: The raw column; empty for `icd9_flag`, which reads all of `contract.DIAGNOSES`.
        levels: The texts of `level`, in the order of their positions; the codes of a coded `number`.
        position: Position of the flag in `icd9.FLAG_NAMES`.
        absent: Value of a `number` or `history` whose column is absent or missing.
    """

    name: str
    rule: Rule
    source: str = ""
    _: KW_ONLY
    levels: tuple[str, ...] = ()
    position: int = 0
    absent: float = math.nan

    @property
    def categorical(self) -> bool:
        """Whether the numbers are names without an order."""
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
            features.append(Feature(column.name, rule, column.name, levels=column.levels))
    flags = (Feature(name, "icd9_flag", position=i) for i, name in enumerate(icd9.FLAG_NAMES))
    return (*features, *flags)


#: Every feature of a single encounter, in the order of the matrix's columns.
FEATURES: tuple[Feature, ...] = _features()


def typed_frame(raw: pd.DataFrame, system: icd.System = "9cm") -> pd.DataFrame:
    """Give accepted raw text its types: the typed frame of docs/architecture.md.

    Files, requests, logged predictions and the database all become a typed frame here and nowhere else. Diagnoses in
    ICD-10-CM become those of ICD-9-CM at the grain of the training data (`icd.to_icd9`).

    Args:
        raw: Text columns of the contract, any subset. ``?`` or missing means not known. Other columns are kept
            as they are.
        system: Declared code system of the diagnoses.

    Returns:
        A new frame with the same index. Each column has the `dtype` of the contract: numbers are float64 and texts
        pandas `str`, NaN where not known; identifiers are int64.

    Raises:
        ValueError: A number or a code that validation should have refused, or a missing identifier.
    """
    texts = {name: raw[name].astype("str") for name in raw.columns if name in contract.BY_NAME}
    if system != "9cm":
        for name in set(contract.DIAGNOSES) & set(texts):
            codes = {code: _in_icd9(code, system) for code in texts[name].dropna().unique()}
            texts[name] = texts[name].map(codes).astype("str")
    typed = _cast(texts)
    typed.index = raw.index
    return pd.DataFrame({name: typed[name] if name in typed else raw[name] for name in raw.columns}, index=raw.index)


def request_frame(records: Sequence[Mapping[str, Value | None]]) -> pd.DataFrame:
    """Return the features of requests as a typed frame; an absent value is what the contract assumes.

    Args:
        records: Values by column name, as requests state them, and their `contract.ICD`. Other names are ignored.
    """
    columns = {c.name: [c.text(record.get(c.name)) for record in records] for c in contract.FEATURE_COLUMNS}
    for position, record in enumerate(records):
        if record.get(contract.ICD.name) == "10cm":
            for name in contract.DIAGNOSES:
                columns[name][position] = _in_icd9(columns[name][position], "10cm")
    return _cast(columns)


def _in_icd9(text: str, system: icd.System) -> str:
    return text if text == contract.MISSING_TOKEN else icd.to_icd9(text, system)


def _cast(texts: Mapping[str, pd.Series | list[str]]) -> pd.DataFrame:
    """Cast columns of text by Arrow: pandas takes three times as long for one row and twice for a batch."""
    columns: dict[str, pa.Array] = {}
    for name, values in texts.items():
        column, array = contract.BY_NAME[name], pa.array(values, pa.string(), from_pandas=True)
        present = pyarrow.compute.if_else(pyarrow.compute.equal(array, contract.MISSING_TOKEN), None, array)
        if column.dtype == "int64" and present.null_count:
            raise ValueError(f"{name} must not be missing")
        columns[name] = present.cast(_ARROW_TYPES[column.dtype])
    frame: pd.DataFrame = pa.table(columns).to_pandas()
    return frame


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
    return request_frame([contract.EXAMPLE])


def target(frame: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return the outcome as positions in `contract.CLASSES`: the y of every model.

    Raises:
        ValueError: An outcome is missing or not a class.
    """
    codes: npt.NDArray[np.int64] = _positions(frame[contract.TARGET], contract.CLASSES)
    if (codes < 0).any():
        raise ValueError(f"{contract.TARGET} must be one of {', '.join(contract.CLASSES)} in every row")
    return codes


def encode(frame: pd.DataFrame, features: Sequence[Feature] = FEATURES, grain: Grain = "three digits") -> Matrix:
    """Compute the features of a typed frame.

    Args:
        frame: The typed frame, n rows; absent columns are unknown; others are ignored.
        features: Features to compute.
        grain: What the numbers of the diagnoses are read from.

    Returns:
        float64 array (n, len(features)), NaN where a value is not known.

    Raises:
        ValueError: A text breaks the contract; ingest and the API refuse such texts.
    """
    matrix = np.empty((len(frame), len(features)))
    codes = [_read_codes(frame, name, grain) for name in contract.DIAGNOSES]
    for position, feature in enumerate(features):
        matrix[:, position] = _column(frame, feature, codes)
    return matrix


def _read_codes(frame: pd.DataFrame, name: str, grain: Grain) -> tuple[npt.NDArray[np.intp], Matrix]:
    """Return each row's position in a table of number, chapter and flags: each distinct code is read once."""
    if name not in frame:
        return np.zeros(len(frame), dtype=np.intp), np.array([_row(icd9.UNKNOWN_CODE)])
    positions, distinct = pd.factorize(frame[name])
    # factorize gives -1 to missing: the last row.
    return positions, np.array([*(_row(icd9.parse(code, grain)) for code in distinct), _row(icd9.UNKNOWN_CODE)])


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
    positions = _positions(values, feature.levels)
    missing = positions < 0
    if missing.sum() != values.isna().sum():
        raise ValueError(f"{feature.source} holds a level that is not of the contract")
    return np.where(missing, np.nan, positions)


def _positions(values: pd.Series, levels: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return each text's position in levels; -1 for what is missing or not among them."""
    codes, distinct = pd.factorize(values)
    position = {level: i for i, level in enumerate(levels)}
    table = np.array([*(position.get(text, -1) for text in distinct), -1], dtype=np.int64)
    positions: npt.NDArray[np.int64] = table[codes]
    return positions

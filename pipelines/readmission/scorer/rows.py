"""Turn encounters' values into the numbers of matrix rows: dictionary lookups, no pandas.

The tables were read off the Pipeline's own encoder when the model was compiled (`compiler`); only ICD-9
codes, which are too many for a table, go through `icd9.parse`, the function that the encoder calls too.
What the patient's earlier encounters say comes from `visits`, the table and function that training uses too.
Columns of the row: the features of one column, then number and chapter of each diagnosis, then the flags, then
the history.
"""

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from operator import getitem, itemgetter, or_
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from readmission import contract
from readmission.features import icd9, visits
from readmission.features.visits import Visits
from readmission.scorer.layout import Layout, LookupTable, Value

#: Values of ORDER; the identifiers may be left out.
Values = Sequence[Value]
#: Many encounters: for each of ORDER, the value of every encounter.
Columns = Sequence[Values]
ORDER: tuple[str, ...] = (*contract.FEATURE_NAMES, *contract.IDENTIFIERS)
#: File of an artifact folder that holds the visits.
VISITS = "visits.bin"
#: What the history of an encounter depends on.
_ASKED = tuple(map(ORDER.index, ("patient_nbr", "encounter_id", "number_inpatient", contract.DIAGNOSES[0])))
_PATIENT, _ENCOUNTER = _ASKED[:2]

_CACHED = 10_000
#: A column of at most so many values is read together with its neighbours: few combinations occur.
_FEW = 4


class Piece(NamedTuple):
    """Neighbouring columns of many rows. Values recur, so each combination is stored once.

    Attributes:
        rows: Combinations, packed as in `RowEncoder.row`.
        positions: (n,) which of them each encounter has.
    """

    rows: Sequence[bytes]
    positions: npt.NDArray[np.intp]


class _Numbers(dict[Any, int]):
    """Keys numbered as they come, in C except for new ones."""

    def __missing__(self, key: Any) -> int:
        number = self[key] = len(self)
        return number


def _numbered(keys: Iterable[Any], count: int) -> tuple[Iterable[Any], npt.NDArray[np.intp]]:
    """Return the different keys, and which of them stands where."""
    numbers = _Numbers()
    positions = np.fromiter(map(numbers.__getitem__, keys), np.intp, count)
    return numbers, positions


def _lookup(table: LookupTable) -> dict[str | int | None, float]:
    nan = float("nan")
    absent = nan if table.absent is None else table.absent
    numbers: dict[str | int | None, float] = {None: absent, contract.MISSING_TOKEN: absent}
    numbers.update(
        (key, nan if number is None else number) for key, number in zip(table.keys, table.numbers, strict=True)
    )
    return numbers


def _rows_of(table: Mapping[Value, float], kind: str) -> tuple[dict[Value, int], list[bytes]]:
    """Return where each value's number stands in a list of packed ones, and that list."""
    return {value: i for i, value in enumerate(table)}, [struct.pack(f"={kind}", number) for number in table.values()]


def columns_of(rows: Sequence[Values]) -> Columns:
    """Turn encounters into columns; identifiers that some of them leave out are absent there."""
    return tuple(zip_longest(*rows))


def _nothing(values: Values) -> Values:
    return ()


class RowEncoder:
    """Encoder of rows of doubles (or floats) as a native engine reads them.

    Args:
        layout: Layout of the row.
        earlier: Table of earlier encounters. If None, every visit is a first one.
    """

    def __init__(self, layout: Layout, earlier: Visits | None = None) -> None:
        names = contract.FEATURE_NAMES
        self.layout = layout
        kind = self._kind = "f" if layout.single else "d"
        tables = [_lookup(table) for table in layout.tables]
        places = [names.index(table.source) for table in layout.tables]
        # The drugs, last but for the diagnoses.
        split = max((i + 1 for i, table in enumerate(layout.tables) if len(table.keys) > _FEW), default=0)
        split = split if 2 <= split <= len(tables) - 2 else len(tables)
        self._places, self._split = places, split
        self._tables, self._pick = tables[:split], itemgetter(*places[:split])
        self._heads = [_rows_of(table, kind) for table in tables[:split]]
        self._small = tables[split:]
        self._pick_small: Callable[[Values], Values] = itemgetter(*places[split:]) if self._small else _nothing
        self._diagnoses = itemgetter(*(names.index(name) for name in contract.DIAGNOSES))
        self._head = struct.Struct(f"={split}{kind}")
        self._middle = struct.Struct(f"={len(tables) - split}{kind}")
        self._pair = struct.Struct(f"=2{kind}")
        self._flags = struct.Struct(f"={len(layout.flags)}{kind}")
        self._history = struct.Struct(f"={len(layout.history)}{kind}")
        self._earlier = earlier if layout.history else None
        self._first = self._pack(visits.NONE)
        self._codes: dict[str | int | None, tuple[bytes, int]] = {}
        self._combinations: dict[int, bytes] = {}
        self._smalls: dict[Values, bytes] = {}

    def row(self, values: Values) -> bytes:
        """Return one row.

        Args:
            values: An encounter that the contract allows.

        Raises:
            KeyError, ValueError: A value that validation should have refused.
        """
        small = self._pick_small(values)
        codes = self._codes
        primary, secondary, tertiary = self._diagnoses(values)
        first = codes.get(primary) or self._read(primary)
        second = codes.get(secondary) or self._read(secondary)
        third = codes.get(tertiary) or self._read(tertiary)
        mask = first[1] | second[1] | third[1]
        past = self._first
        if self._earlier is not None and len(values) > _PATIENT and values[_PATIENT] is not None:
            past = self._past(self._earlier, *(values[index] for index in _ASKED))
        return b"%b%b%b%b%b%b%b" % (
            self._head.pack(*map(getitem, self._tables, self._pick(values))),
            self._smalls.get(small) or self._encode(small),
            first[0],
            second[0],
            third[0],
            self._combinations.get(mask) or self._combine(mask),
            past,
        )

    def pieces(self, columns: Columns) -> list[Piece]:
        """Return the rows of many encounters in pieces: side by side they are what `row` makes of each.

        Args:
            columns: Columns of at least one encounter that the contract allows.

        Raises:
            KeyError, ValueError: A value that validation should have refused.
        """
        count, earlier = len(columns[0]), self._earlier
        pieces = [
            Piece(rows, np.fromiter(map(numbers.__getitem__, columns[index]), np.intp, count))
            for index, (numbers, rows) in zip(self._places, self._heads, strict=False)
        ]
        if self._small:
            keys, positions = _numbered(zip(*(columns[p] for p in self._places[self._split :]), strict=True), count)
            pieces.append(Piece([self._smalls.get(key) or self._encode(key) for key in keys], positions))
        masks: list[Iterable[int]] = []
        for column in self._diagnoses(columns):
            keys, positions = _numbered(column, count)
            codes = [self._codes.get(code) or self._read(code) for code in keys]
            pieces.append(Piece([pair for pair, _ in codes], positions))
            masks.append(map([mask for _, mask in codes].__getitem__, positions.tolist()))
        keys, positions = _numbered(map(or_, map(or_, masks[0], masks[1]), masks[2]), count)
        pieces.append(Piece([self._combinations.get(mask) or self._combine(mask) for mask in keys], positions))
        past, positions = [self._first], np.zeros(count, np.intp)
        if earlier is not None and len(columns) > _PATIENT:
            again = earlier.revisits(columns[_PATIENT], columns[_ENCOUNTER])
            past += (self._past(earlier, *(columns[index][i] for index in _ASKED)) for i in again.tolist())
            positions[again] = np.arange(1, len(past))
        return [*pieces, Piece(past, positions)]

    def matrix(self, columns: Columns) -> npt.NDArray[Any]:
        """Return the rows of many encounters; see `pieces`."""
        parts = (
            np.frombuffer(b"".join(rows), self._kind).reshape(len(rows), -1)[positions]
            for rows, positions in self.pieces(columns)
        )
        return np.hstack(list(parts))

    def _encode(self, small: Values) -> bytes:
        if len(self._smalls) >= _CACHED:
            self._smalls.clear()
        packed = self._smalls[small] = self._middle.pack(*map(getitem, self._small, small))
        return packed

    def _past(self, earlier: Visits, patient: Value, encounter: Value, stays: Value, code: Value) -> bytes:
        """Return the history of a patient who may be known."""
        unknown = code is None or code == contract.MISSING_TOKEN
        read = icd9.UNKNOWN_CODE if unknown else icd9.parse(str(code), self.layout.grain)
        return self._pack(
            earlier.summarise(
                int(patient or 0),
                None if encounter is None else int(encounter),
                math.nan if stays is None else float(stays),
                read.chapter,
                read.number,
            )
        )

    def _pack(self, past: Sequence[float]) -> bytes:
        return self._history.pack(*(past[i] for i in self.layout.history))

    def _read(self, code: str | int | None) -> tuple[bytes, int]:
        unknown = code is None or code == contract.MISSING_TOKEN
        parsed = icd9.UNKNOWN_CODE if unknown else icd9.parse(str(code), self.layout.grain)
        mask = sum(1 << i for i, flag in enumerate(self.layout.flags) if parsed.flags[flag])
        if len(self._codes) >= _CACHED:
            self._codes.clear()
        entry = self._codes[code] = (self._pair.pack(parsed.number, parsed.chapter), mask)
        return entry

    def _combine(self, mask: int) -> bytes:
        if len(self._combinations) >= _CACHED:
            self._combinations.clear()
        bits = (float(mask >> i & 1) for i in range(len(self.layout.flags)))
        packed = self._combinations[mask] = self._flags.pack(*bits)
        return packed

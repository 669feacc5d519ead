"""The columns of a scorer's matrix row, and what each raw value becomes there: read from scorer.json."""

import msgspec

from readmission import contract
from readmission.features.icd9 import Grain

#: None stands for an absent value; "?" is read as None.
Value = str | int | None


class LookupTable(msgspec.Struct, frozen=True):
    """Number that the encoder makes of every value of one column.

    Attributes:
        source: Name of the raw column.
        keys: Its values as a request states them.
        numbers: Number in the matrix for each of them. None stands for NaN.
        absent: Number for a value that is not known. None stands for NaN.
    """

    source: str
    keys: tuple[str | int, ...]
    numbers: tuple[float | None, ...]
    absent: float | None


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of a scorer's matrix row.

    Attributes:
        tables: Features of one column, in the row's order.
        flags: Positions in `icd9.FLAG_NAMES` of the flags, in the row's order.
        single: Whether the model compares float32 numbers (sklearn's trees, XGBoost) or float64.
        history: Positions in `visits.HISTORY_NAMES` of the history, in the row's order.
        grain: What the numbers of the diagnoses are read from; layouts of older versions do not state it.
    """

    tables: tuple[LookupTable, ...]
    flags: tuple[int, ...]
    single: bool
    history: tuple[int, ...] = ()
    grain: Grain = "whole"

    @property
    def width(self) -> int:
        """Return the number of columns."""
        return len(self.tables) + 2 * len(contract.DIAGNOSES) + len(self.flags) + len(self.history)

    @property
    def sources(self) -> tuple[str, ...]:
        """Return what is behind each column of the row: a raw column, `diagnoses` or `history`."""
        pairs = tuple(name for name in contract.DIAGNOSES for _ in range(2))
        return (
            *(table.source for table in self.tables),
            *pairs,
            *("diagnoses" for _ in self.flags),
            *("history" for _ in self.history),
        )

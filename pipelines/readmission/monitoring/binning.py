"""Bins of the columns that drift is measured in, and the counts of rows in them. Pure."""

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import wasserstein_distance

from readmission import contract
from readmission.features import icd9

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Name of the score's row among the columns: the probability of the class "<30".
SCORE = "score"
_BINS = 10
#: Levels that stand in their natural order, so that a distance has a meaning.
_ORDERED = frozenset({"age", "weight", *contract.NUMERIC, SCORE})


class Binning:
    """Bins of every column: the contract's levels, ICD-9 chapters, or deciles of the reference.

    The last bin of every column is for the unknown values.
    """

    def __init__(self, reference: pd.DataFrame) -> None:
        """Take the deciles of integers and of the score from the reference, and count its rows.

        Args:
            reference: Typed frame. A column `SCORE` (0 to 1, NaN if not scored) is optional.
        """
        self._code: dict[str, Callable[[pd.Series], Floats]] = {}
        self.labels: dict[str, list[str]] = {}
        for column in contract.FEATURE_COLUMNS:
            self._add(column, reference)
        if SCORE in reference and reference[SCORE].notna().any():
            self._add_numeric(SCORE, reference[SCORE], digits=3)
        #: Rows of the reference in every bin of every column.
        self.before: dict[str, Counts] = self.counts(reference)
        #: Its ordered columns: how often each value occurs.
        self.values = {name: self._frequencies(name, reference) for name in _ORDERED & self.labels.keys()}

    def _add(self, column: contract.Column, reference: pd.DataFrame) -> None:
        if column.name in contract.NUMERIC:
            self._add_numeric(column.name, reference[column.name], digits=0)
            return
        if column.name in contract.DIAGNOSES:
            self._code[column.name] = _chapters
            self.labels[column.name] = [*icd9.CHAPTER_NAMES, "unknown"]
            return
        position = {value: i for i, value in enumerate(column.values())}
        self._code[column.name] = lambda values: values.map(position).to_numpy(np.float64)
        self.labels[column.name] = [*column.levels, "unknown"]

    def _add_numeric(self, name: str, reference: pd.Series, digits: int) -> None:
        present = reference.dropna().to_numpy(np.float64)
        edges = np.unique(np.quantile(present, np.linspace(0, 1, _BINS + 1)[1:-1])) if len(present) else np.zeros(0)

        def code(values: pd.Series) -> Floats:
            numbers = values.to_numpy(np.float64)
            return np.where(np.isnan(numbers), np.nan, np.searchsorted(edges, numbers, side="right"))

        self._code[name] = code
        ends = [f"{edge:.{digits}f}" for edge in edges]
        inner = [f"{low}–<{high}" for low, high in itertools.pairwise(ends)]
        self.labels[name] = [f"<{ends[0]}", *inner, f"≥{ends[-1]}", "unknown"] if ends else ["all", "unknown"]

    def _frequencies(self, name: str, frame: pd.DataFrame) -> pd.Series:
        raw = name in contract.NUMERIC or name == SCORE
        values = frame[name].round(3) if raw else pd.Series(self.codes(name, frame[name]))
        return values.value_counts()

    def distance(self, name: str, window: pd.DataFrame) -> float | None:
        """Return the Wasserstein distance of an ordered column in standard deviations; None for others.

        Args:
            name: Name of the column.
            window: Rows that state it.
        """
        if name not in self.values or not len(window):
            return None
        before, now = self.values[name], self._frequencies(name, window)
        if not len(before) or not len(now):
            return None
        numbers = before.index.to_numpy(np.float64)
        spread = float(np.sqrt(np.cov(numbers, fweights=before.to_numpy(), ddof=0))) or 1.0
        return float(wasserstein_distance(numbers, now.index, before, now)) / spread

    def partial(self, absent: pd.DataFrame) -> pd.Series:
        """Return which rows lack a clinical column that most rows of the reference know."""
        expected = [
            name
            for name in absent
            if not contract.BY_NAME[name].administrative
            and not contract.BY_NAME[name].assumed
            and self.before[name][-1] < self.before[name].sum() / 2
        ]
        return absent[expected].any(axis=1)

    def codes(self, name: str, values: pd.Series) -> Floats:
        """Return the bin of each value, NaN where it is unknown. Values recur, so each is looked up once."""
        places, distinct = pd.factorize(values)
        coded: Floats = np.append(self._code[name](pd.Series(distinct)), np.nan)[places]
        return coded

    def counts(self, frame: pd.DataFrame, absent: pd.DataFrame | None = None) -> dict[str, Counts]:
        """Count the rows of a typed frame in every bin of every column that it has.

        Args:
            frame: Typed frame.
            absent: Which values the rows do not state, columns of `frame` by the same rows. They are counted only as
                far as the reference explains them (`_explained`). If omitted, every value is stated.
        """
        counts = {}
        for name, labels in self.labels.items():
            if name in frame:
                # A missing score says that the encounter was not scored, and nothing about the patient.
                values = frame[name].dropna() if name == SCORE else frame[name]
                filled = self._filled(name, values)
                if absent is None or name not in absent:
                    counts[name] = np.bincount(filled, minlength=len(labels))
                else:
                    counts[name] = self._explained(name, filled, absent[name].loc[values.index].to_numpy())
        return counts

    def _filled(self, name: str, values: pd.Series) -> npt.NDArray[np.int64]:
        codes = self.codes(name, values)
        return np.where(np.isnan(codes), len(self.labels[name]) - 1, codes).astype(np.int64)

    def _explained(self, name: str, filled: npt.NDArray[np.int64], absent: npt.NDArray[np.bool_]) -> Counts:
        """Count stated values, and absent ones up to the share that their bin has in the reference.

        A client may leave out what is unknown (or what was not given, for drugs), or it may leave out a column for
        reasons of its own. The first kind is as frequent as the bin is in the reference; what exceeds that is the
        second kind and says nothing about patients.
        """
        size = len(self.labels[name])
        counts: Counts = np.bincount(filled[~absent], minlength=size)
        if not absent.any():
            return counts
        assumed = int(filled[absent][0])
        if name not in self.before:
            return counts
        share = float(self.before[name][assumed] / max(1, self.before[name].sum()))
        room = (share * counts.sum() - counts[assumed]) / max(1 - share, 1e-9)
        counts[assumed] += int(min(absent.sum(), max(room, 0.0)))
        return counts


def _chapters(values: pd.Series) -> Floats:
    chapter_of = {code: icd9.parse(code).chapter for code in values.dropna().unique()}
    chapters: Floats = values.map(chapter_of).to_numpy(np.float64)
    return chapters

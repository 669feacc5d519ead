"""Evaluation protocols of the literature: pooled patient-grouped folds, and forward in time. Pure.

The served split (70/15/15) decides about champions. These protocols measure the method: every row is tested exactly
once by a model that has not seen its patient.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from readmission import contract, models
from readmission.evaluation import confusion
from readmission.evaluation.metrics import Scored
from readmission.features import encoding, history, icd9
from readmission.features.visits import HISTORY_NAMES

Rows = npt.NDArray[np.intp]
#: Key of models.FAMILIES, or a builder of an unfitted classifier.
Learner = str | Callable[[], Any]
FOLDS = 3

_NUMBERS = frozenset(f"{name}_{part}" for name in contract.DIAGNOSES for part in ("number", "chapter"))
_PAPERWORK = frozenset(column.name for column in contract.FEATURE_COLUMNS if column.administrative)
_DRUGS = frozenset(c.name for c in contract.feature_columns("drugs"))
_VISITS = frozenset({"number_inpatient", "number_emergency", "number_outpatient"})

_OWN = models.SERVED
#: Feature sets compared with the served one, by the name that a report shows.
ABLATIONS: Mapping[str, tuple[str, ...]] = {
    "served features": _OWN,
    "without causal history": tuple(n for n in _OWN if n not in HISTORY_NAMES),
    "without diagnosis numbers and chapters": tuple(n for n in _OWN if n not in _NUMBERS),
    "without comorbidity flags": tuple(n for n in _OWN if n not in icd9.FLAG_NAMES),
    "without any diagnosis": tuple(n for n in _OWN if n not in _NUMBERS and n not in icd9.FLAG_NAMES),
    "without administrative columns": tuple(n for n in _OWN if n not in _PAPERWORK),
    "without drugs": tuple(n for n in _OWN if n not in _DRUGS),
    "without earlier visits": tuple(n for n in _OWN if n not in _VISITS),
}


@dataclass(frozen=True, kw_only=True)
class EncodedRows:
    """All rows with every feature, history included.

    Attributes:
        matrix: Encoded features, shape (n, features).
        names: Names of the matrix's columns.
        y: Outcomes as positions in contract.CLASSES, shape (n,).
        patients: Value of patient_nbr in each row, shape (n,).
        batches: Value of batch_id in each row, shape (n,).
    """

    matrix: encoding.Matrix
    names: tuple[str, ...]
    y: npt.NDArray[np.int64]
    patients: npt.NDArray[np.int64]
    batches: npt.NDArray[np.int64]

    @classmethod
    def of(cls, frame: pd.DataFrame) -> "EncodedRows":
        """Encode the rows of a typed frame whose outcome is known; the others are history of later ones.

        Args:
            frame: Typed frame with encounter_id, patient_nbr, batch_id and readmitted.
        """
        frame = history.add(frame)
        frame = frame[frame[contract.TARGET].notna()]
        matrix = encoding.encode(frame, models.Encoder(models.SERVED).features)
        patients, batches = (frame[name].to_numpy(dtype=np.int64) for name in ("patient_nbr", "batch_id"))
        return cls(matrix=matrix, names=models.SERVED, y=encoding.target(frame), patients=patients, batches=batches)

    def columns(self, names: Sequence[str]) -> Rows:
        """Return the positions of some features."""
        return np.array([self.names.index(name) for name in names])


def folds(patients: npt.NDArray[np.int64], seed: int, count: int = FOLDS) -> list[tuple[Rows, Rows]]:
    """Return (train, test) rows of some folds; every patient is in one fold, by a hash of the patient and the seed.

    The hash replaces scikit-learn's GroupKFold and StratifiedGroupKFold, whose folds depend on all rows: a new batch
    would move patients from fold to fold. By hash a patient keeps the fold as the
    data grows, so that the figures of two snapshots differ by their data and not by their folds.
    """
    distinct, rows = np.unique(patients, return_inverse=True)
    digests = [sha256(f"{seed}:{patient}".encode()).hexdigest()[:8] for patient in distinct]
    fold = np.array([int(digest, 16) % count for digest in digests])[rows]
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(count)]


def forward(table: EncodedRows, seed: int) -> list[tuple[Rows, Rows]]:
    """Return (train, test) rows of FOLDS folds that train on the past and test on the future.

    The train rows are of the first five sevenths of the batches, the test rows of later batches and of other
    patients. Every later row is tested once, including those of patients who have been in hospital before, as in
    service. The model that tests a row has seen no row of its patient and none of its time.

    Raises:
        ValueError: There are too few batches.
    """
    early = _early(table)
    return [(train[early[train]], test[~early[test]]) for train, test in folds(table.patients, seed)]


def newcomers(table: EncodedRows) -> tuple[Rows, Rows]:
    """Return the rows of the first five sevenths of the batches, and the later rows of patients not among them.

    This is harder than service: these patients have no history and rarely a stay in the year before.
    """
    early = _early(table)
    train, later = np.flatnonzero(early), np.flatnonzero(~early)
    return train, later[~np.isin(table.patients[later], table.patients[train])]


def _early(table: EncodedRows) -> npt.NDArray[np.bool_]:
    batches = np.unique(table.batches)
    if len(batches) < 2:
        raise ValueError("forward in time needs at least two batches")
    early: npt.NDArray[np.bool_] = table.batches <= batches[max(1, round(len(batches) * 5 / 7)) - 1]
    return early


def pooled(table: EncodedRows, family: Learner, names: Sequence[str], seed: int, count: int = FOLDS) -> Scored:
    """Score every row by the model of the folds that do not contain its patient."""
    return _scored(table, family, names, folds(table.patients, seed, count), seed)


def ahead(table: EncodedRows, family: Learner, names: Sequence[str], seed: int) -> Scored:
    """Score the later rows by models of earlier rows of other patients."""
    return _scored(table, family, names, forward(table, seed), seed)


def recent(
    table: EncodedRows, family: str, names: Sequence[str], seed: int, batches: int = 0, half_life: float = 0.0
) -> Scored:
    """Score the later rows by models of earlier rows of other patients that forget the oldest of them.

    Args:
        table: Rows of all batches.
        family: Key of models.FAMILIES that takes weights.
        names: Features to use.
        seed: Seed of the folds and of the models.
        batches: Newest of the early batches to train on; 0: all.
        half_life: Batches after which a row counts half; 0: rows count alike.
    """
    newest = table.batches[_early(table)].max()
    parts = [(t[table.batches[t] > newest - batches] if batches else t, test) for t, test in forward(table, seed)]
    weights = 0.5 ** ((newest - table.batches) / half_life) if half_life else None
    return _scored(table, family, names, parts, seed, weights)


def unseen(table: EncodedRows, family: Learner, names: Sequence[str], seed: int) -> Scored:
    """Score the later rows of new patients by a model of the earlier rows."""
    return _scored(table, family, names, [newcomers(table)], seed)


def _scored(
    table: EncodedRows,
    family: Learner,
    names: Sequence[str],
    parts: list[tuple[Rows, Rows]],
    seed: int,
    weights: npt.NDArray[np.float64] | None = None,
) -> Scored:
    answers = [_fit(table, family, names, train, test, seed, weights) for train, test in parts]
    rows = np.concatenate([test for _, test in parts])
    order = np.argsort(rows, kind="stable")
    rows = rows[order]
    return Scored(table.y[rows], np.concatenate(answers)[order], table.patients[rows])


def growing(table: EncodedRows, family: str, names: Sequence[str], seed: int, batches: int) -> Scored:
    """Score every row by models of the first batches alone: one point of the learning curve.

    Args:
        table: Rows of all batches. All of them are scored, so that the points of the curve are comparable.
        family: Key of models.FAMILIES.
        names: Features to use.
        seed: Seed of the folds and of the models.
        batches: Number of the first batches to train on.
    """
    kept = np.isin(table.batches, np.unique(table.batches)[:batches])
    parts = [(train[kept[train]], test) for train, test in folds(table.patients, seed)]
    return _scored(table, family, names, parts, seed)


def _fit(
    table: EncodedRows,
    family: Learner,
    names: Sequence[str],
    train: Rows,
    test: Rows,
    seed: int,
    weights: npt.NDArray[np.float64] | None = None,
) -> encoding.Matrix:
    columns = table.columns(names)
    with threadpool_limits(1):
        if callable(family):
            classifier = family()
        else:
            classifier = models.build(family, seed=seed, names=tuple(names)).named_steps["classify"]
        options = {} if weights is None else {"sample_weight": weights[train]}
        classifier.fit(table.matrix[np.ix_(train, columns)], table.y[train], **options)
        answer: encoding.Matrix = classifier.predict_proba(table.matrix[np.ix_(test, columns)])
    return answer


def weighted_classes(scored: Scored, seed: int) -> Scored:
    """Multiply the classes by the weights of the largest macro F1, chosen for each fold on the other folds.

    The result is no longer calibrated: it is an operating point for three classes, nothing else.
    """
    weighted_probabilities = np.empty_like(scored.probabilities)
    for train, test in folds(scored.patients, seed):
        part, best, best_weights = scored.part(train), -1.0, np.ones(3)
        for late in np.arange(1.0, 1.8, 0.1):
            for early in np.arange(1.0, 4.1, 0.25):
                weights = np.array([1.0, late, early])
                weighted = Scored(part.y, part.probabilities * weights, part.patients)
                value = float(confusion.measure(weighted.confusion())["f1_macro"])
                if value > best:
                    best, best_weights = value, weights
        weighted_probabilities[test] = scored.probabilities[test] * best_weights
    totals = weighted_probabilities.sum(axis=1, keepdims=True)
    return Scored(scored.y, weighted_probabilities / totals, scored.patients)

"""The judged model fitted again on every patient, and scores of all rows by fits that have not seen their patient.

A model is judged on patients whom it has not seen, so it is trained on 70 % of them. What serves may learn from all. It
has no patients left to be measured on, so thresholds and quality come from fits that leave out a third of the patients.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from readmission import contract, models
from readmission.errors import RefusalError
from readmission.evaluation import protocols, recalibration
from readmission.evaluation.metrics import Scored
from readmission.training.dataset import Dataset

#: Seed of the folds. It is the same for every model, so that no fit of one fold has seen a patient of the same fold.
FOLD_SEED = 7


@dataclass(frozen=True, kw_only=True)
class Refit:
    """Model fitted on every patient.

    Attributes:
        pipeline: Fitted Pipeline, from a typed frame to probabilities.
        folds: Pipelines of the fits that each leave out the patients of one fold, in the order of `protocols.folds`.
        unseen: All rows by batch and encounter, each with the probabilities of the fit that has not seen its patient.
        test: Which of these rows are of the test split, shape (n,).
    """

    pipeline: Pipeline
    folds: tuple[Pipeline, ...]
    unseen: Scored
    test: npt.NDArray[np.bool_]


def refit(data: Dataset, judged: Pipeline, jobs: int) -> Refit:
    """Fit the parameters of a judged model again, on every patient, and on the patients outside each fold.

    The same data, parameters and libraries give the same model: each fit has one thread and its own seed.

    Args:
        data: Dataset with every split.
        judged: Fitted Pipeline; it is not changed.
        jobs: Fits at once.

    Raises:
        RefusalError: Outside one of the folds an outcome is missing.
    """
    rows = np.arange(len(data.y))
    parts = [(rows, rows[:0]), *protocols.folds(data.patients, FOLD_SEED)]
    if any(len(np.unique(data.y[train])) < len(contract.CLASSES) for train, _ in parts):
        raise RefusalError(
            f"Batches {data.batches} are too small to fit on all patients: ingest and process more data."
        )
    unfitted = judged.named_steps["classify"]

    def fit(part: tuple[Any, Any]) -> Any:
        train, _ = part
        return clone(unfitted).fit(data.matrix[train], data.y[train])

    order = np.argsort(data.places, kind="stable")
    with threadpool_limits(1), ThreadPoolExecutor(jobs) as pool:  # more threads would compete for the cores
        whole, *folds = pool.map(fit, parts)
        unseen = _score(data, whole, folds, order)
    test = np.zeros(len(data.y), np.bool_)
    test[data.bounds["test"]] = True
    encode = judged.named_steps["encode"]
    pipeline, *others = (Pipeline([("encode", encode), ("classify", fitted)]) for fitted in (whole, *folds))
    return Refit(pipeline=pipeline, folds=tuple(others), unseen=unseen, test=test[order])


def _score(data: Dataset, whole: Any, folds: Sequence[Any], order: npt.NDArray[np.intp]) -> Scored:
    """Return all rows by batch and encounter, each with the probabilities of the fit that has not seen its patient.

    The risks are recalibrated to the newest encounters: those of the fit on every patient by all of them. Any
    readmission of the patients of a fold is recalibrated by other patients, so that it is that of patients whom nothing
    knows. Early readmission is moved alike in every fold: otherwise the folds would rank each other's patients wrongly.
    """
    tested = [test for _, test in protocols.folds(data.patients, FOLD_SEED)]
    if not isinstance(whole, models.TwoHeads):
        answers = [fit.predict_proba(data.matrix[test]) for fit, test in zip(folds, tested, strict=True)]
        return _scored(data, tested, answers).part(order)
    risks = [fit.risks(data.matrix[test]) for fit, test in zip(folds, tested, strict=True)]
    before = _scored(data, tested, [fit.join(*each) for fit, each in zip(folds, risks, strict=True)])
    newest = order[-recalibration.RECENT_OF_ALL :]
    served = recalibration.recalibrate(before.part(newest))
    whole.recalibrate(served.slope, served.shift, served.early)
    for fit, own in zip(folds, tested, strict=True):
        line = recalibration.recalibrate(before.part(newest[~np.isin(newest, own)]))
        fit.recalibrate(line.slope, line.shift, served.early)
    return _scored(data, tested, [fit.join(*each) for fit, each in zip(folds, risks, strict=True)]).part(order)


def _scored(data: Dataset, tested: Sequence[Any], answers: Sequence[Any]) -> Scored:
    """Return all rows in the order of the dataset, with the answers of the folds to the rows that they test."""
    probabilities = np.empty((len(data.y), len(contract.CLASSES)))
    for test, answer in zip(tested, answers, strict=True):
        probabilities[test] = answer
    return Scored(data.y, probabilities, data.patients)

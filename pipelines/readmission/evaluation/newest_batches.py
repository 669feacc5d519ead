"""Calibration at each promotion of the past: on the newest encounters after recalibration, and on those that followed.

For every number of first batches the method is fitted as if the later ones had not come yet. Each row is answered by a
fit that has not seen its patient, and recalibrated by newest rows of other patients, as `training.refit` does it. Pure.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from readmission.evaluation import metrics, protocols, recalibration
from readmission.evaluation.metrics import Scored

_HEADS = (
    "batches",
    "measured on",
    "come back",
    "ECE any, as learned",
    "recalibrated",
    "by chance",
    "ECE <30",
    "by chance",
)
_INTRODUCTION = (
    "Calibration at each promotion of the past: fits of the first batches, any readmission recalibrated as a promotion "
    "does it, by the newest encounters of other patients. By chance: the error that right risks have in half of the "
    "cases, and in 95 %."
)


def recalibrated(scored: Scored, batches: npt.NDArray[np.int64], count: int, seed: int) -> Scored:
    """Return all rows, recalibrated as at a promotion after some batches.

    Args:
        scored: Rows by batch and encounter, each answered by a fit of the first batches that has not seen its patient.
        batches: Batch of each row, shape (n,).
        count: Number of the first batches.
        seed: Seed of the folds.
    """
    past = np.flatnonzero(batches <= np.unique(batches)[count - 1])
    newest = past[-recalibration.RECENT_OF_ALL :]
    probabilities = scored.probabilities.copy()
    for _, own in protocols.folds(scored.patients, seed):
        line = recalibration.recalibrate(scored.part(newest[~np.isin(newest, own)]))
        probabilities[own] = recalibration.move(scored.part(own), line).probabilities
    return Scored(scored.y, probabilities, scored.patients)


def markdown(answers: Mapping[int, Scored], batches: npt.NDArray[np.int64], seed: int) -> Iterator[str]:
    """Yield what the table means, and its lines.

    Args:
        answers: By number of the first batches, all rows as `recalibrated` takes them.
        batches: Batch of each row, shape (n,).
        seed: Seed of the folds.
    """
    yield from (_INTRODUCTION, "", f"| {' | '.join(_HEADS)} |", "|---" * len(_HEADS) + "|")
    size, ids = recalibration.RECENT_OF_ALL, np.unique(batches)
    for count, scored in sorted(answers.items()):
        moved = recalibrated(scored, batches, count, seed)
        end = int(np.searchsorted(batches, ids[count - 1], side="right"))
        begin = int(np.searchsorted(batches, ids[count - 1]))
        spans = {f"newest {size:,}": slice(max(0, end - size), end), "newest batch": slice(begin, end)}
        if count < len(ids):
            spans[f"next {size:,}"] = slice(end, end + size)
        for name, span in spans.items():
            rows = np.arange(len(batches))[span]
            before, after = metrics.measure(scored.part(rows)), metrics.measure(moved.part(rows))
            cells = (
                str(count),
                f"{name}" + (f" ({len(rows):,})" if name == "newest batch" else ""),
                f"{1 - after['accuracy_always_no']:.3f}",
                *(f"{error:.4f}" for error in (before["ece_any"], after["ece_any"])),
                _chance(moved.part(rows).any),
                f"{after['ece_30']:.4f}",
                _chance(moved.part(rows).early),
            )
            yield f"| {' | '.join(cells)} |"


def _chance(risks: metrics.Array) -> str:
    """Return the error that chance alone gives right risks in half of the cases, and in 95 %."""
    return f"{recalibration.chance_ece(risks, 0.5):.4f}, {recalibration.chance_ece(risks):.4f}"

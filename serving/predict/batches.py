"""Score many encounters at once: by columns where numpy can, and without an object for each answer."""

from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from operator import is_
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from readmission import contract
from readmission.contract import CLASSES, EXCLUDED_DISPOSITIONS
from readmission.scorer import Matrix, Scorer
from serving.predict.encounter import Values
from serving.predict.loaded_models import Served

_DISPOSITION = contract.FEATURE_NAMES.index("discharge_disposition_id")
_OPTIONAL = tuple(i for i, column in enumerate(contract.FEATURE_COLUMNS) if not column.required)
_json = msgspec.json.Encoder().encode


class Scored(NamedTuple):
    """Hold what some encounters got; everything has their order.

    Attributes:
        inputs: JSON objects as they came.
        shares: (n, 3) probabilities in the order of contract.CLASSES.
        positions: (n,) of the predicted class in contract.CLASSES.
        absent: (n,) bit i is set where the feature contract.FEATURE_NAMES[i] was absent.
        excluded: whether the patient died or went to a hospice.
    """

    inputs: Sequence[Any]
    shares: Matrix
    positions: npt.NDArray[np.int64]
    absent: npt.NDArray[np.uint64]
    excluded: list[bool]


def score(scorer: Scorer, inputs: Sequence[Any], rows: Sequence[Values]) -> Scored:
    """Score decoded encounters; this takes milliseconds and keeps no books: work for a thread."""
    # Every so-many-th of all values in a row is a column: half the time that `zip(*rows)` takes.
    flat, width = list(chain.from_iterable(rows)), len(rows[0]) if rows else 0
    columns = [flat[place::width] for place in range(width)]
    shares = scorer.score_many(columns) if rows else np.empty((0, len(CLASSES)))
    masks = np.zeros(len(rows), dtype=np.uint64)
    for place in _OPTIONAL if rows else ():
        column = columns[place]
        # A set: hashing is faster than comparing text with None.
        if None in set(column):
            empty = np.fromiter(map(is_, column, repeat(None)), np.uint64, len(rows))
            masks |= empty << np.uint64(place)
    left_out = [code in EXCLUDED_DISPOSITIONS for code in columns[_DISPOSITION]] if rows else []
    # Of equal probabilities the first class is taken, as for a single encounter.
    return Scored(inputs, shares, shares.argmax(axis=1), masks, left_out)


def names(mask: int) -> list[str]:
    """Name the features of a mask of `Scored.absent`."""
    return [name for place, name in enumerate(contract.FEATURE_NAMES) if mask >> place & 1]


def answers(scored: Scored, ids: Sequence[str], stamp: str, model: Served, note: str) -> Iterator[bytes]:
    """Yield the JSON of each answer, the same as `predict.Answer` is encoded to.

    Args:
        scored: what to tell.
        ids: of the predictions.
        stamp: time of all of them.
        model: who gave them.
        note: said of patients who cannot be readmitted.
    """
    numbers = iter(_json(scored.shares.ravel().tolist())[1:-1].split(b","))
    same = b',"model_name":%b,"model_version":%b,"missing":' % (_json(model.name), _json(model.version))
    end, end_noted = b',"timestamp":%b}' % _json(stamp), b',"timestamp":%b,"notes":%b}' % (_json(stamp), _json([note]))
    absent = {int(mask): same + _json(names(int(mask))) for mask in np.unique(scored.absent)}
    classes, bands = [_json(name) for name in CLASSES], [_json(name) for name in model.bands]
    risky = np.searchsorted(model.edges, scored.shares[:, -1], side="right").tolist()
    shape = b'{"prediction_id":"%%b","prediction":%%b,"probabilities":{%b:%%b,%b:%%b,%b:%%b},' % tuple(classes)
    shape += b'"readmission_risk_30d":%b,"risk_band":%b%b%b'
    rest = zip(ids, scored.positions.tolist(), risky, scored.absent.tolist(), scored.excluded, strict=True)
    for name, position, band, mask, excluded in rest:
        no, late, early = next(numbers), next(numbers), next(numbers)
        yield shape % (
            name.encode(), classes[position], no, late, early, early, bands[band], absent[mask],
            end_noted if excluded else end,
        )  # fmt: skip

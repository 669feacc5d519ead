"""Scoring of many encounters at once: by columns where numpy can, and without an object for each answer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from operator import is_
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from readmission import contract
from readmission.contract import CLASSES, EXCLUDED_DISPOSITIONS
from readmission.scorer import Matrix, Scorer
from serving.predict import encounter
from serving.predict.encounter import Encounter, Values
from serving.predict.loaded_models import LoadedModel

_DISPOSITION = contract.FEATURE_NAMES.index("discharge_disposition_id")
_OPTIONAL = tuple(position for position, column in enumerate(contract.FEATURE_COLUMNS) if not column.required)
#: Records that are decoded at once: so few that their objects stay in the processor's cache.
_AT_ONCE = 125
_json = msgspec.json.Encoder().encode
_decode: Callable[[bytes], list[Any]] = msgspec.json.Decoder(list[Encounter]).decode  # type: ignore[valid-type]

#: Values of many encounters: a list for each column of `encounter.Values`.
Columns = Sequence[Sequence[str | int | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredBatch:
    """Scores of n encounters, all in their order.

    Attributes:
        inputs: JSON objects as they were sent.
        shares: Probabilities in the order of `contract.CLASSES`, shape (n, 3).
        positions: Predicted classes as positions in `contract.CLASSES`, shape (n,).
        absent: Bit i is set if the feature `contract.FEATURE_NAMES[i]` was absent, shape (n,).
        excluded: Whether the patient died or went to a hospice.
        notes: What was read as what in records that used aliases, by their position.
    """

    inputs: Sequence[Any]
    shares: Matrix
    positions: npt.NDArray[np.int64]
    absent: npt.NDArray[np.uint64]
    excluded: list[bool]
    notes: Mapping[int, list[str]]


def decode(records: Sequence[msgspec.Raw]) -> Columns | None:
    """Read JSON values that are valid encounters as they are, in less time than `encounter.decode` takes for each.

    Returns:
        Their columns. None if a value has a problem, an alias or codes of ICD-10-CM, so that each needs
        `encounter.decode`.
    """
    rows: list[Values] = []
    try:
        for start in range(0, len(records), _AT_ONCE):
            rows += map(msgspec.structs.astuple, _decode(b"[%b]" % b",".join(records[start : start + _AT_ONCE])))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    columns = to_columns(rows)
    diagnoses = set().union(*(columns[position] for position in encounter.DIAGNOSES))
    valid = encounter.are_codes(diagnoses) and "10cm" not in set(columns[encounter.SYSTEM])
    return columns[: encounter.SYSTEM] if valid else None


def to_columns(rows: Sequence[Values]) -> Columns:
    """Return rows as columns: none if there are no rows."""
    # A slice of one flat list is a column: half the time that `zip(*rows)` takes.
    flat, width = list(chain.from_iterable(rows)), len(rows[0]) if rows else 0
    return [flat[position::width] for position in range(width)]


def score(
    scorer: Scorer, inputs: Sequence[Any], columns: Columns, notes: Mapping[int, list[str]] = MappingProxyType({})
) -> ScoredBatch:
    """Score decoded encounters. This takes milliseconds and records nothing, so a thread may do it.

    Args:
        scorer: The model.
        inputs: JSON objects as they were sent.
        columns: Their values; empty if there are none.
        notes: What was read as what, by the position of the encounter.
    """
    count = len(inputs)
    shares = scorer.score_many(columns) if count else np.empty((0, len(CLASSES)))
    masks = np.zeros(count, dtype=np.uint64)
    for position in _OPTIONAL if count else ():
        column = columns[position]
        # A set: hashing is faster than comparing text with None.
        if None in set(column):
            empty = np.fromiter(map(is_, column, repeat(None)), np.uint64, count)
            masks |= empty << np.uint64(position)
    excluded = [code in EXCLUDED_DISPOSITIONS for code in columns[_DISPOSITION]] if count else []
    return ScoredBatch(
        inputs=inputs,
        shares=shares,
        positions=most_probable_positions(shares),
        absent=masks,
        excluded=excluded,
        notes=notes,
    )


def most_probable_positions(shares: Matrix) -> npt.NDArray[np.int64]:
    """Return the position of the most probable class of each row: `contract.most_probable` for many.

    Args:
        shares: Probabilities in the order of `contract.CLASSES`, shape (n, 3).
    """
    positions: npt.NDArray[np.int64] = shares.argmax(axis=1)
    return positions


def names(mask: int) -> list[str]:
    """Return the features of a mask of `ScoredBatch.absent`."""
    return [name for position, name in enumerate(contract.FEATURE_NAMES) if mask >> position & 1]


def answers(
    scored: ScoredBatch, prediction_ids: Sequence[str], stamp: str, model: LoadedModel, note: str
) -> Iterator[bytes]:
    """Yield the JSON of each answer, the same as `predictor.Answer` is encoded to.

    Args:
        scored: The scores.
        prediction_ids: Ids of the predictions.
        stamp: Time of all of them.
        model: The model that scored them.
        note: Note for patients who cannot be readmitted.
    """
    numbers = iter(_json(scored.shares.ravel().tolist())[1:-1].split(b","))
    same = b',"model_name":%b,"model_version":%b,"missing":' % (_json(model.name), _json(model.version))
    end = b',"timestamp":%b}' % _json(stamp)
    end_noted = _noted(stamp, [note])
    noted = {
        position: _noted(stamp, [note] * scored.excluded[position] + notes) for position, notes in scored.notes.items()
    }
    absent = {int(mask): same + _json(names(int(mask))) for mask in np.unique(scored.absent)}
    classes, bands = [_json(name) for name in CLASSES], [_json(name) for name in model.bands]
    band_positions = np.searchsorted(model.edges, scored.shares[:, -1], side="right").tolist()
    shape = b'{"prediction_id":"%%b","prediction":%%b,"probabilities":{%b:%%b,%b:%%b,%b:%%b},' % tuple(classes)
    shape += b'"readmission_risk_30d":%b,"risk_band":%b%b%b'
    rest = zip(
        prediction_ids, scored.positions.tolist(), band_positions, scored.absent.tolist(), scored.excluded, strict=True
    )
    for index, (prediction_id, position, band, mask, excluded) in enumerate(rest):
        no, late, early = next(numbers), next(numbers), next(numbers)
        start = (prediction_id.encode(), classes[position], no, late, early, early)
        last = noted.get(index, end_noted if excluded else end)
        yield shape % (*start, bands[band], absent[mask], last)


def _noted(stamp: str, notes: list[str]) -> bytes:
    return b',"timestamp":%b,"notes":%b}' % (_json(stamp), _json(notes))

"""Score by the fitted Pipeline itself, for a family that has no compiler: slower, and heavier in memory."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from readmission import contract
from readmission.features import history
from readmission.features.visits import Visits
from readmission.scorer.manifest import ArtifactError, Manifest
from readmission.scorer.recipe import Explanation, Matrix, Probabilities
from readmission.scorer.rows import ORDER, Columns, Values, columns_of

PIPELINE = "pipeline.skops"
#: Modules whose types a stored Pipeline may hold; skops refuses anything else.
TRUSTED = ("readmission.", "sklearn.", "numpy.", "lightgbm.", "xgboost.", "collections.")


def frame(rows: Sequence[Values]) -> pd.DataFrame:
    """Return the typed frame (docs/architecture.md) of values as the API decodes them.

    With identifiers, an absent patient is -1, whom nobody knows, and an absent encounter infinity: newer than any.
    """
    columns: dict[str, Any] = {}
    for position, column in enumerate(contract.FEATURE_COLUMNS):
        taken = [row[position] for row in rows]
        known = [column.assumed if v is None else None if v == contract.MISSING_TOKEN else v for v in taken]
        if column.is_number:
            columns[column.name] = np.array([math.nan if v is None else float(v) for v in known])
        else:
            columns[column.name] = pd.Series(known, dtype="str")
    if any(len(row) == len(ORDER) for row in rows):
        for name, absent in zip(contract.IDENTIFIERS, (math.inf, -1), strict=True):
            place = ORDER.index(name)
            columns[name] = [absent if len(row) <= place or row[place] is None else row[place] for row in rows]
    return pd.DataFrame(columns)


def values(typed: pd.DataFrame) -> list[Values]:
    """Return the rows of a typed frame as the API would decode them; the inverse of `frame`.

    The identifiers are among them when the frame has them.
    """
    columns: list[list[str | int | None]] = []
    for column in contract.FEATURE_COLUMNS:
        series = typed[column.name]
        columns.append([None if pd.isna(v) else int(v) if column.is_number else str(v) for v in series])
    if set(contract.IDENTIFIERS) <= set(typed):
        columns += [typed[name].tolist() for name in contract.IDENTIFIERS]
    return list(zip(*columns, strict=True))


def dump(pipeline: Any, path: Path) -> None:
    """Write a Pipeline by skops.

    Raises:
        ArtifactError: it holds types that `load` would refuse.
    """
    from skops.io import dumps

    data = dumps(pipeline)
    _trusted(data)
    path.write_bytes(data)


def _trusted(data: bytes) -> list[str]:
    from skops.io import get_untrusted_types

    types: list[str] = get_untrusted_types(data=data)
    refused = [name for name in types if not name.startswith(TRUSTED)]
    if refused:
        raise ArtifactError(f"the Pipeline holds types that are not trusted: {', '.join(sorted(refused))}")
    return types


class PipelineScorer:
    """Score by `Pipeline.predict_proba` on a typed frame.

    Args:
        folder: the artifact folder, already checked.
        manifest: of that folder.
        known: earlier encounters.
    """

    def __init__(self, folder: Path, manifest: Manifest, known: Visits | None) -> None:
        from skops.io import loads

        self.manifest = manifest
        self._known = known
        data = (folder / PIPELINE).read_bytes()
        self._pipeline = loads(data, trusted=_trusted(data))

    def score(self, values: Values) -> Probabilities:
        """Return the probabilities of one encounter."""
        one, two, three = self.score_many(columns_of([values]))[0].tolist()
        return one, two, three

    def score_many(self, columns: Columns) -> Matrix:
        """Return the probabilities of many, a row each."""
        typed = frame(list(zip(*columns, strict=True)))
        typed = typed if self._known is None else history.add(typed, self._known)
        found: Matrix = self._pipeline.predict_proba(typed)
        return found

    def explain(self, values: Values) -> Explanation | None:
        """Return None: a Pipeline of any kind has no exact contributions."""
        return None

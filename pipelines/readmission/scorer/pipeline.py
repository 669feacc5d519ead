"""Score by the fitted Pipeline itself, for a family that has no compiler: slower, and heavier in memory."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import skops.io

from readmission import contract, models
from readmission.features import history
from readmission.features.encoding import request_frame
from readmission.features.visits import Visits
from readmission.scorer.manifest import ArtifactError, Manifest
from readmission.scorer.recipe import Attribution, Matrix, Probabilities
from readmission.scorer.rows import ORDER, Columns, Values, columns_of

PIPELINE = "pipeline.skops"


def to_frame(rows: Sequence[Values]) -> pd.DataFrame:
    """Return the typed frame of values as the API decodes them.

    If any row has identifiers, an absent patient becomes -1, whom nobody knows, and an absent encounter becomes
    infinity, which is newer than any.
    """
    frame = request_frame([dict(zip(contract.FEATURE_NAMES, row, strict=False)) for row in rows])
    if any(len(row) == len(ORDER) for row in rows):
        for name, absent in zip(contract.IDENTIFIERS, (math.inf, -1), strict=True):
            position = ORDER.index(name)
            frame[name] = [absent if len(row) <= position or row[position] is None else row[position] for row in rows]
    return frame


def to_columns(typed: pd.DataFrame) -> Columns:
    """Return the columns of a typed frame as the API would decode them, for `Scorer.score_many`.

    Identifiers are included if the frame has both.
    """
    columns: list[Values] = []
    for column in contract.FEATURE_COLUMNS:
        pairs = zip(typed[column.name].tolist(), typed[column.name].isna().tolist(), strict=True)
        kind = int if column.is_number else str
        columns.append([None if missing else kind(value) for value, missing in pairs])
    if set(contract.IDENTIFIERS) <= set(typed):
        columns += [typed[name].tolist() for name in contract.IDENTIFIERS]
    return columns


def to_values(typed: pd.DataFrame) -> list[Values]:
    """Return the rows of a typed frame as the API would decode them; the inverse of `to_frame`.

    Identifiers are included if the frame has both.
    """
    return list(zip(*to_columns(typed), strict=True))


def dump_pipeline(pipeline: Any, path: Path) -> None:
    """Write a Pipeline by skops.

    Raises:
        ArtifactError: It holds types that are not in `models.TRUSTED_TYPES`.
    """
    data = skops.io.dumps(pipeline)
    _check_types(data)
    path.write_bytes(data)


def load_pipeline(path: Path) -> Any:
    """Load a Pipeline that `dump_pipeline` wrote.

    Raises:
        ArtifactError: It holds types that are not in `models.TRUSTED_TYPES`.
    """
    data = path.read_bytes()
    _check_types(data)
    return skops.io.loads(data, trusted=list(models.TRUSTED_TYPES))


def _check_types(data: bytes) -> None:
    untrusted = set(skops.io.get_untrusted_types(data=data)) - set(models.TRUSTED_TYPES)
    if untrusted:
        raise ArtifactError(f"the Pipeline holds types that are not trusted: {', '.join(sorted(untrusted))}")


class PipelineScorer:
    """Scorer by `Pipeline.predict_proba` on a typed frame.

    Args:
        folder: The artifact folder, already checked.
        manifest: Manifest of that folder.
        earlier: Earlier encounters of patients.
    """

    def __init__(self, folder: Path, manifest: Manifest, earlier: Visits | None) -> None:
        self.manifest = manifest
        self._earlier = earlier
        self._pipeline = load_pipeline(folder / PIPELINE)

    def score(self, values: Values) -> Probabilities:
        """Return the probabilities of one encounter."""
        no, late, early = self.score_many(columns_of([values]))[0].tolist()
        return no, late, early

    def score_many(self, columns: Columns) -> Matrix:
        """Return the probabilities of many, a row each."""
        typed = to_frame(list(zip(*columns, strict=True)))
        grain = self._pipeline.named_steps["encode"].grain
        typed = typed if self._earlier is None else history.add(typed, self._earlier, grain)
        probabilities: Matrix = self._pipeline.predict_proba(typed)
        return probabilities

    def explain(self, values: Values) -> Attribution | None:
        """Return None: a Pipeline of any kind has no exact contributions."""
        return None

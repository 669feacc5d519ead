"""Scorer of encounters without pandas or sklearn: a promoted Pipeline compiled to lookups and native trees.

`compiler.compile_pipeline` writes the artifact folder at promotion; `load` reads it in the API. See
docs/architecture.md for the folder and `manifest.Manifest` for what it promises.

The code is our own because the libraries were measured first, one row at a time, LightGBM of 100 trees on one core:
the sklearn Pipeline takes 15,400 us; our encoder with LightGBM's C library 30 us, with 0 difference. ONNX Runtime takes
40 us behind the same encoder, but its converters fail on HistGradientBoosting and were off by up to 0.64, without an
error, for calibrated classifiers. tl2cgen takes 19 us, but needs a C compiler at promotion (30 s) and gives NaN without
an error where a float is passed for a double. treelite's own interpreter takes 166 us. docs/bench.md has the figures of
the whole API.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from readmission.features.keyed_visits import open_visits
from readmission.pseudonyms import PatientKey
from readmission.scorer.manifest import SCORER, ArtifactError, Golden, Manifest, read_manifest
from readmission.scorer.recipe import Attribution, Matrix, Probabilities, Recipe
from readmission.scorer.rows import ORDER, VISITS, Columns, Values, columns_of

__all__ = [
    "ArtifactError",
    "Attribution",
    "Columns",
    "Golden",
    "Manifest",
    "Matrix",
    "Probabilities",
    "Scorer",
    "Values",
    "columns_of",
    "load",
]

#: Largest difference allowed between a scorer and its Pipeline.
TOLERANCE = 1e-6


class Scorer(Protocol):
    """Scorer of encounters: `score` is for one thread, everything else for others at the same time."""

    manifest: Manifest

    def score(self, values: Values) -> Probabilities:
        """Return the probabilities of one encounter."""

    def score_many(self, columns: Columns) -> Matrix:
        """Return the probabilities of one or more (`columns_of` their values), a row each."""

    def explain(self, values: Values) -> Attribution | None:
        """Return the contributions of raw columns, or None when the engine cannot say."""


def load(folder: Path, keys: Sequence[PatientKey] | None = ()) -> Scorer:
    """Load a compiled model after checking every file.

    Args:
        folder: the artifact folder.
        keys: Keys that its visits may be keyed with. None leaves the visits out: every visit is a first one.

    Raises:
        ArtifactError: the folder is not whole, of another contract version, or cannot be read.
    """
    manifest = read_manifest(folder)
    try:
        visits = open_visits(folder / VISITS, keys) if VISITS in manifest.files and keys is not None else None
    except ValueError as error:
        raise ArtifactError(f"{VISITS}: {error}") from None
    if manifest.engine == "pipeline":
        # pandas and sklearn come in here and only here.
        try:
            from readmission.scorer.pipeline import PipelineScorer
        except ModuleNotFoundError as error:
            reason = f"it is served by its Pipeline, which needs {error.name}; the API's image has compiled engines"
            raise ArtifactError(reason) from None
        return PipelineScorer(folder, manifest, visits)
    try:
        recipe = msgspec.json.decode((folder / SCORER).read_bytes(), type=Recipe)
    except msgspec.DecodeError as error:
        raise ArtifactError(f"{SCORER} cannot be read: {error}") from None
    if manifest.engine == "linear":
        from readmission.scorer.linear import LinearScorer

        return LinearScorer(manifest, recipe, visits)
    from readmission.scorer.forest import TreeScorer

    return TreeScorer(folder, manifest, recipe, visits)


def check_golden(scorer: Scorer, rows: Sequence[Golden]) -> float:
    """Answer the golden rows, one by one and all at once; return the largest difference.

    Raises:
        ArtifactError: an answer is not the one of the Pipeline.
    """
    requests = [tuple(row.request.get(name) for name in ORDER) for row in rows]
    expected = np.array([row.probabilities for row in rows])
    together = scorer.score_many(columns_of(requests)) if requests else expected
    one_by_one = np.array([scorer.score(values) for values in requests])
    worst = float(np.abs(np.stack([together, one_by_one]) - expected).max(initial=0.0))
    if not worst <= TOLERANCE:
        raise ArtifactError(f"the golden rows are answered {worst:.2g} away from the Pipeline")
    return worst

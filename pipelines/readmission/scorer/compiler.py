"""Compile a fitted Pipeline into the artifact folder that the API loads, and prove that it is the same model."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from readmission import contract, scorer
from readmission.contract.risk import OperatingPoint, RiskBand
from readmission.features import history
from readmission.features.encoding import Feature
from readmission.features.keyed_visits import with_key
from readmission.features.visits import Visits
from readmission.files import file_sha256
from readmission.pseudonyms import PatientKey
from readmission.scorer import trees
from readmission.scorer.encoder_layout import read_layout, row_positions
from readmission.scorer.invented import invented_rows
from readmission.scorer.layout import Layout
from readmission.scorer.manifest import (
    GOLDEN,
    MANIFEST,
    SCORER,
    ArtifactError,
    Engine,
    Golden,
    Manifest,
    Parity,
    write_manifest,
)
from readmission.scorer.pipeline import PIPELINE, dump_pipeline, to_frame, to_values
from readmission.scorer.recipe import Linear, Link, Recipe
from readmission.scorer.rows import ORDER, VISITS, Values, columns_of

TREES = "trees.txt"
_GOLDEN_ROWS = 20
_INVENTED_ROWS = 3_000
log = logging.getLogger(__name__)


def compile_pipeline(
    pipeline: Any,
    folder: Path,
    *,
    family: str,
    sample: pd.DataFrame,
    metrics: Mapping[str, float],
    synthetic: bool,
    run_id: str = "",
    model_name: str = "diabetes_readmission",
    visits: bytes = b"",
    points: tuple[OperatingPoint, ...] = (),
    bands: tuple[RiskBand, ...] = (),
    prevalence: float | None = None,
    systems: tuple[str, ...] = ("9cm",),
    key: PatientKey | None = None,
) -> Manifest:
    """Write the artifact folder of one fitted Pipeline.

    A classifier without a compiler is kept as the Pipeline itself (engine ``pipeline``). More than 40 lines, because
    every field of the manifest is named, once as an argument and once where it is written.

    Args:
        pipeline: Fitted Pipeline with the steps `encode` and `classify`, as in `models`.
        folder: Folder to write to, created if needed. The manifest is written last.
        family: Key of `models.FAMILIES`.
        sample: Typed frame of real rows to compare on, with their history. Rows invented from the contract
            are added, with every level and many unknowns.
        metrics: Figures of the training run.
        synthetic: Whether the training data was synthetic.
        run_id: MLflow run.
        model_name: Registered model.
        visits: Earlier encounters (`history.pack`), shipped with the model. If empty, every visit is a first one.
        points: Operating points, chosen on validation.
        bands: Bands of risk, from the lowest.
        prevalence: Share of early readmissions in the training data, 0 to 1.
        systems: Code systems of the training data, before its diagnoses were translated.
        key: Key under which the visits are written. If omitted, they hold patients' numbers.

    Returns:
        The manifest, with the largest difference that was measured.

    Raises:
        ArtifactError: The compiled model answers a row differently from the Pipeline by more than
            `scorer.TOLERANCE`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if visits:
        (folder / VISITS).write_bytes(with_key(visits, key, (), ())[0] if key else visits)
    rows, expected = _expected(pipeline, sample, visits)
    # Golden rows leave the database with the model, so none is a patient's: those that were invented, without a number.
    invented = [i for i in range(len(sample), len(rows)) if len(rows[i]) < len(ORDER) or rows[i][-1] is None]
    _write_golden(folder, [rows[i] for i in invented], expected[invented])
    engine, count = _write_engine(pipeline, folder)
    files = {p.name: file_sha256(p) for p in sorted(folder.iterdir()) if p.name != MANIFEST}
    manifest = Manifest(
        contract_version=contract.CONTRACT_VERSION,
        model_name=model_name,
        family=family,
        engine=engine,
        classes=contract.CLASSES,
        trees=count,
        synthetic=synthetic,
        metrics={name: float(value) for name, value in metrics.items()},
        run_id=run_id,
        compiled_at=datetime.now(UTC).isoformat(timespec="seconds"),
        parity=Parity(0, 0.0),
        files=files,
        points=points,
        bands=bands,
        prevalence=prevalence,
        icd=systems,
        history={"patients": Visits(visits).patients, "visits": Visits(visits).count} if visits else {},
    )
    write_manifest(folder, manifest)
    manifest = msgspec.structs.replace(manifest, parity=_compare(folder, rows, expected, key))
    write_manifest(folder, manifest)
    log.info("compiled %s for engine %s: %s", family, engine, manifest.parity)
    return manifest


def _expected(pipeline: Any, sample: pd.DataFrame, visits: bytes) -> tuple[list[Values], Any]:
    """Return rows, real and invented, with what the Pipeline says of them.

    Real rows keep the history that training saw; every other invented one is a new visit of a patient who is known.
    """
    invented = list(invented_rows(_INVENTED_ROWS))
    if visits:
        table = Visits(visits)
        patients = [table.patient(i % table.patients) if i % 2 else None for i in range(len(invented))]
        invented = [(*row, None, patient) for row, patient in zip(invented, patients, strict=True)]
    frame = to_frame(invented)
    if visits:
        frame = history.add(frame, table, pipeline.named_steps["encode"].grain)
    answers = (pipeline.predict_proba(part) for part in (sample, frame) if len(part))
    return [*to_values(sample), *invented], np.concatenate(list(answers))


def _compare(folder: Path, rows: Sequence[Values], expected: Any, key: PatientKey | None) -> Parity:
    """Answer every row in both ways of the scorer: one by one, and as a batch."""
    compiled = scorer.load(folder, [key] if key else [])
    single = rows if compiled.manifest.engine != "pipeline" else rows[:20]
    worst = max(
        float(np.abs(np.array([compiled.score(row) for row in single]) - expected[: len(single)]).max()),
        float(np.abs(compiled.score_many(columns_of(rows)) - expected).max()),
    )
    if not worst <= scorer.TOLERANCE:
        (folder / MANIFEST).unlink()
        raise ArtifactError(f"the compiled model is {worst:.2g} away from its Pipeline: it is not served")
    return Parity(len(rows), worst)


def _write_golden(folder: Path, rows: Sequence[Values], expected: Any) -> None:
    """Write every so many rows with what the Pipeline says of them."""
    step = max(1, len(rows) // _GOLDEN_ROWS)
    golden = [_golden(row, answer) for row, answer in zip(rows[::step], expected[::step].tolist(), strict=True)]
    (folder / GOLDEN).write_bytes(msgspec.json.format(msgspec.json.encode(golden)))


def _golden(row: Values, answer: Sequence[float]) -> Golden:
    no, late, early = answer
    return Golden({k: v for k, v in zip(ORDER, row, strict=False) if v is not None}, (no, late, early))


def _write_engine(pipeline: Any, folder: Path) -> tuple[Engine, int]:
    """Write scorer.json and the trees, or the Pipeline when nothing compiles it."""
    encoder, classifier = pipeline.named_steps["encode"], pipeline.named_steps["classify"]
    try:
        features = encoder.features
        if "regress" in getattr(classifier, "named_steps", ()):
            recipe = _linear(classifier, features, read_layout(encoder, single=False))
            engine, count = "linear", 0
        else:
            ensemble, link = _ensemble(classifier, row_positions(features))
            layout = read_layout(encoder, single=ensemble.single)
            (folder / TREES).write_text(trees.text_model(ensemble, layout.width))
            mix = _mix(classifier) if link == "three_heads" else ()
            recipe = Recipe(layout=layout, link=link, base=ensemble.base, trees=TREES, mix=mix)
            engine, count = "lightgbm", sum(map(len, ensemble.blocks))
    except (ValueError, TypeError, AttributeError, KeyError) as reason:
        log.warning("%s is served by its Pipeline: %s", type(classifier).__name__, reason)
        dump_pipeline(pipeline, folder / PIPELINE)
        return "pipeline", 0
    (folder / SCORER).write_bytes(msgspec.json.encode(recipe))
    return engine, count  # type: ignore[return-value]


def _ensemble(classifier: Any, positions: Sequence[int]) -> tuple[trees.Ensemble, Link]:
    heads = getattr(classifier, "heads", ())
    if heads and all(hasattr(head, "booster_") for head in heads):
        return _joined(trees.of_lightgbm([head.booster_ for head in heads], positions), classifier)
    if heads and all(hasattr(head, "get_booster") for head in heads):
        return _joined(trees.of_xgboost(heads, positions), classifier)
    if "boost" in getattr(classifier, "named_steps", ()):
        fill = classifier.named_steps["fill"].fill_value
        return trees.of_histogram(classifier.named_steps["boost"], positions, fill), "softmax"
    if list(getattr(classifier, "classes_", ())) != [0, 1, 2]:
        raise ValueError(f"no compiler for {type(classifier).__name__}")
    members = [classifier] if hasattr(classifier, "tree_") else list(classifier.estimators_)
    return trees.of_forest(members, len(contract.CLASSES), positions), "identity"


def _joined(ensemble: trees.Ensemble, heads: Any) -> tuple[trees.Ensemble, Link]:
    """Return the heads with what is added to the margins of any and early readmission, and their link."""
    early = float(np.dot(heads.weights_, ensemble.base)) + heads.intercept_ + heads.early_shift_
    any_ = float(heads.any_slope_ * ensemble.base[0] + heads.any_shift_)
    link: Link = "three_heads" if len(heads.heads) > 2 else "early_first" if heads.is_recalibrated else "two_heads"
    first, *others = ensemble.blocks
    blocks = [[trees.scaled(block, heads.any_slope_) for block in first], *others]
    return replace(ensemble, blocks=blocks, base=(any_, early)), link


def _mix(heads: Any) -> tuple[float, ...]:
    """Return the weight of each output of the trees in the margin of early readmission; the first output is scaled."""
    any_, *others = heads.weights_
    return any_ / heads.any_slope_, *others


def _linear(classifier: Any, features: Sequence[Feature], layout: Layout) -> Recipe:
    """Fold imputation, scaling, one-hot and weights into slopes and level weights over the row."""
    prepare, regress = classifier.named_steps["prepare"], classifier.named_steps["regress"]
    (_, scaled, numeric), (_, onehot, levelled) = prepare.transformers_
    fill, scale = scaled.named_steps["fill"].statistics_, scaled.named_steps["scale"]
    weights = regress.coef_.T
    positions, outputs = row_positions(features), len(contract.CLASSES)
    fills, slopes = np.zeros(layout.width), np.zeros((layout.width, outputs))
    levels: list[tuple[tuple[float, ...], ...]] = [() for _ in range(layout.width)]
    for k, i in enumerate(numeric):
        fills[positions[i]] = fill[k]
        slopes[positions[i]] = weights[k] / scale.scale_[k]
    base = regress.intercept_ - (scale.mean_ / scale.scale_) @ weights[: len(numeric)]
    start = len(numeric)
    for i, categories in zip(levelled, onehot.categories_, strict=True):
        table = np.zeros((int(max(categories)) + 1, outputs))
        for j, value in enumerate(categories):
            table[int(value)] = weights[start + j]
        start += len(categories)
        levels[positions[i]] = tuple(map(tuple, table.tolist()))
    linear = Linear(tuple(fills.tolist()), tuple(map(tuple, slopes.tolist())), tuple(levels))
    return Recipe(layout=layout, link="softmax", base=tuple(base.tolist()), linear=linear)

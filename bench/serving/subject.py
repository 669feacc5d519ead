"""What every service of a benchmark serves: one model, and the requests."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from loadtest import payloads
from loadtest.payloads import Record
from readmission import contract, models, scorer
from readmission.data import synthetic
from readmission.data.sources import open_source
from readmission.features import encoding
from readmission.scorer import compiler
from readmission.scorer.pipeline import to_values
from readmission.settings import Settings

log = logging.getLogger(__name__)

FAMILY = "lightgbm"
#: Served when another commit takes part: one that does not know LightGBM's third head serves this family, too.
FAMILY_OF_BOTH = "xgboost"
#: Number of different encounters that a run sends.
DIFFERENT = 500
#: Typical values that complete a request, so that services that accept no missing values get the same rows.
_TYPICAL = {"race": "Caucasian", "weight": "[75-100)", "payer_code": "MC", "medical_specialty": "InternalMedicine"}


def prepare(
    settings: Settings, source: str, folder: Path, *, alternatives: bool = True, family: str = FAMILY
) -> dict[str, Any]:
    """Train, compile and store the model below `folder`, which becomes the home of every service.

    Args:
        settings: Seed and model name.
        source: The data set. If empty, it is the synthetic sample.
        folder: Folder to fill; its content is deleted first.
        alternatives: Whether to store the model as the other services load it, too.
        family: Family of the model.

    Returns:
        Description of the model: Family, trees, engine, rows, whether the data are synthetic.
    """
    shutil.rmtree(folder, ignore_errors=True)
    path = source or str(synthetic.sample_path(settings))
    data = open_source(settings, path)
    train = _train_rows(pd.concat([data.batch(number + 1).frame for number in range(data.batches)]))
    log.info("training %s on %d rows", family, len(train))
    pipeline = models.build(family, seed=settings.seed)
    pipeline.fit(train[list(contract.FEATURE_NAMES)], encoding.target(train))
    version = folder / "models" / settings.mlflow.model_name / "1"
    sample = train[list(contract.FEATURE_NAMES)].head(2000)
    manifest = compiler.compile_pipeline(
        pipeline, version, family=family, sample=sample, metrics={}, synthetic=data.synthetic
    )
    (version.parent / "aliases.json").write_text(json.dumps({"champion": "1", "registry": "ok"}))
    if alternatives:
        _store(pipeline, folder, sample)
        _check(folder, version, sample)
    return {
        "family": family,
        "trees": manifest.trees,
        "engine": manifest.engine,
        "rows": len(train),
        "synthetic": data.synthetic,
        "parity": manifest.parity.max_difference,
    }


def _train_rows(raw: pd.DataFrame) -> pd.DataFrame:
    frame = encoding.typed_frame(raw)
    frame = frame[~frame["discharge_disposition_id"].isin(contract.EXCLUDED_DISPOSITIONS)]
    return frame[frame["patient_nbr"].map(encoding.split_of) == "train"]


def _store(pipeline: Any, folder: Path, sample: pd.DataFrame) -> None:
    mlflow.sklearn.save_model(
        pipeline,
        str(folder / "pyfunc"),
        serialization_format="skops",
        skops_trusted_types=list(models.TRUSTED_TYPES),
        signature=mlflow.models.infer_signature(sample, pipeline.predict_proba(sample)),
        pip_requirements=["scikit-learn", "lightgbm"],
        pyfunc_predict_fn="predict_proba",
    )


def requests(source: str, seed: int) -> list[Record]:
    """Draw complete encounters, with the columns in the contract's order."""
    drawn = payloads.encounters(DIFFERENT, seed, Path(source) if source else None)
    return [_complete(record) for record in drawn]


def _complete(record: Record) -> Record:
    return {c.name: record[c.name] if c.name in record else _typical(c) for c in contract.FEATURE_COLUMNS}


def _typical(column: contract.Column) -> str | int:
    if column.name in contract.DIAGNOSES:
        return "250"
    text = _TYPICAL.get(column.name) or column.assumed
    value = column.parse(text) if text else column.values()[0]
    return column.values()[0] if value is None else value


def _check(folder: Path, version: Path, sample: pd.DataFrame) -> None:
    """Make sure that both sides of the comparison answer the same."""
    ours = scorer.load(version).score_many(scorer.columns_of(to_values(sample)))
    theirs = mlflow.pyfunc.load_model(str(folder / "pyfunc")).predict(sample)
    difference = max(
        abs(a - b) for row, other in zip(ours, theirs, strict=True) for a, b in zip(row, other, strict=True)
    )
    if difference > scorer.TOLERANCE:
        raise AssertionError(f"the services would not serve the same model: they differ by {difference}")

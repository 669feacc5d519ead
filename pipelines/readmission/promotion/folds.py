"""Fits that each leave out the patients of one fold, kept with a run, so that models are compared on all patients.

A patient has the same fold in every training, by a hash. So the fits of a champion have not seen the patients of their
fold in any later data either, and each row of today's snapshot can be answered by a fit that does not know its patient,
for the champion as for the candidate. The validation patients are 15 % of all: a comparison on them has an interval two
and a half times as wide.
"""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from mlflow.tracking import MlflowClient
from sklearn.pipeline import Pipeline

from readmission import contract, scorer
from readmission.data.snapshots import CleanBatch
from readmission.evaluation import protocols
from readmission.evaluation.metrics import Scored
from readmission.features import encoding
from readmission.registry.runs import TrainedModel
from readmission.scorer.compiler import compile_pipeline
from readmission.scorer.manifest import ArtifactError, ContractMismatchError, read_manifest, write_manifest
from readmission.scorer.pipeline import to_columns
from readmission.scorer.rows import VISITS
from readmission.settings import Settings
from readmission.training.dataset import Dataset
from readmission.training.refit import FOLD_SEED

log = logging.getLogger(__name__)

#: Folder of a run's artifacts that holds them, one folder each, without any patient's visits.
FOLDER = "folds"
_COLUMNS = [*contract.FEATURE_NAMES, *contract.IDENTIFIERS, contract.TARGET]


def keep(settings: Settings, client: MlflowClient, candidate: TrainedModel, pipelines: Sequence[Pipeline]) -> bool:
    """Compile the fits of a candidate's folds and keep them with its run, unless its family cannot be compiled."""
    with tempfile.TemporaryDirectory() as directory:
        try:
            for number, pipeline in enumerate(pipelines):
                compile_pipeline(
                    pipeline,
                    Path(directory) / str(number),
                    family=candidate.family,
                    # Real rows need the history of their patients; the judged model was compared on them.
                    sample=encoding.example().head(0),
                    metrics={},
                    synthetic=candidate.synthetic,
                    run_id=candidate.run_id,
                    model_name=settings.mlflow.model_name,
                )
        except ArtifactError as error:
            log.warning("%s is compared on the validation patients alone: %s", candidate.family, error)
            return False
        client.log_artifacts(candidate.run_id, directory, FOLDER)
    return True


def score(
    settings: Settings, client: MlflowClient, run_id: str, data: Dataset, visits: bytes, folder: Path
) -> Scored | None:
    """Score every row of a snapshot by the fit of a run that has not seen its patient.

    Args:
        settings: Keys of the visits.
        client: MLflow server.
        run_id: Run of a champion or candidate.
        data: Data of the snapshot.
        visits: Earlier encounters that the models know; empty if every visit is a first one.
        folder: Empty folder to download to.

    Returns:
        All rows whose outcome is known, by batch and encounter. None if the run has no such fits, or they cannot
        answer: they are of another contract, or of another number of folds.
    """
    if FOLDER not in {item.path for item in client.list_artifacts(run_id)}:
        return None
    folders = sorted(Path(client.download_artifacts(run_id, FOLDER, str(folder))).iterdir())
    if len(folders) != protocols.FOLDS:
        return None
    try:
        for each in folders if visits else []:
            add_visits(each, visits)
        models = [scorer.load(each, settings.patient_keys) for each in folders]
    except ContractMismatchError as error:
        log.warning("run %s is compared on no patient: %s", run_id, error)
        return None
    parts = list(_score_batches(models, data.snapshot.read_batches()))
    y, probabilities, patients = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Scored(y, probabilities, patients)


def _score_batches(
    models: Sequence[scorer.Scorer], batches: Iterator[CleanBatch]
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.int64]]]:
    """Yield outcomes, probabilities and patients of each batch."""
    for batch in batches:
        # A batch that is older than a column of the contract has nothing in it.
        frame = batch.table().to_pandas().reindex(columns=_COLUMNS)
        frame = frame[frame[contract.TARGET].notna()]
        patients = frame["patient_nbr"].to_numpy(np.int64)
        answers = np.empty((len(frame), len(contract.CLASSES)))
        for model, (_, rows) in zip(models, protocols.folds(patients, FOLD_SEED), strict=True):
            if len(rows):
                answers[rows] = model.score_many(to_columns(frame.iloc[rows]))
        yield encoding.target(frame), answers, patients


def add_visits(folder: Path, visits: bytes) -> None:
    """Let a compiled model that is kept without visits answer with some."""
    (folder / VISITS).write_bytes(visits)
    manifest = read_manifest(folder)
    files = {**manifest.files, VISITS: sha256(visits).hexdigest()}
    write_manifest(folder, msgspec.structs.replace(manifest, files=files))

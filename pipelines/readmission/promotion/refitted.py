"""Fit of a candidate on every patient, kept with its run and with the fits of its folds, so that it is made once."""

import logging
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
from mlflow.tracking import MlflowClient
from sklearn.pipeline import Pipeline

from readmission.errors import RefusalError
from readmission.evaluation import metrics, operating_points, recalibration, refits
from readmission.evaluation.metrics import Scored
from readmission.evaluation.refits import RefitRecord
from readmission.features import encoding
from readmission.promotion import folds
from readmission.registry import tracking
from readmission.registry.runs import TrainedModel
from readmission.settings import Settings
from readmission.training import dataset, refit
from readmission.training.dataset import Dataset
from readmission.training.refit import Refit

log = logging.getLogger(__name__)

#: File of a run with the record of its second fit.
REFIT = "refit.json"
_RESAMPLES = 200


@dataclass(frozen=True, kw_only=True)
class Refitted:
    """Candidate fitted again on every patient.

    Attributes:
        pipeline: Fitted Pipeline.
        record: Record of the fit.
        unseen: Rows of the record's data by batch and encounter, each as the fit of its folds answers it that has not
            seen the patient. None if the fit was made earlier, or no such fits are kept.
    """

    pipeline: Pipeline
    record: RefitRecord
    unseen: Scored | None = None


def find_or_fit(settings: Settings, client: MlflowClient, candidate: TrainedModel, judged: Pipeline) -> Refitted | None:
    """Return a candidate fitted again on every patient; None if the judged model is to serve itself.

    A candidate that is judged again keeps the fit that a person may have approved.

    Args:
        settings: Stores; whether and by which engine to fit.
        client: MLflow server.
        candidate: Candidate that passed the gates, or is to be compared on all patients.
        judged: Its Pipeline.
    """
    if not settings.training.refit or settings.engine != "local":
        return None
    if REFIT in {item.path for item in client.list_artifacts(candidate.run_id)}:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(client.download_artifacts(candidate.run_id, REFIT, directory))
            record = msgspec.json.decode(path.read_bytes(), type=RefitRecord)
        return Refitted(pipeline=tracking.load_pipeline(record.uri), record=record)
    began = time.perf_counter()
    data = dataset.load(settings, candidate.last_batch)
    try:
        fitted = refit.refit(data, judged, settings.training.jobs or os.cpu_count() or 1)
    except RefusalError as error:
        log.warning("%s is served as it was judged: %s", candidate.family, error)
        return None
    kept = folds.keep(settings, client, candidate, fitted.folds)
    uri = tracking.log_pipeline(fitted.pipeline, candidate.run_id, encoding.example(), "refit")
    record = _record(settings, data, fitted, uri)
    tracking.log_files(client, candidate.run_id, {REFIT: msgspec.json.format(msgspec.json.encode(record)).decode()})
    log.info("fitted on all %d encounters in %.1f s", record.encounters, time.perf_counter() - began)
    return Refitted(pipeline=fitted.pipeline, record=record, unseen=fitted.unseen if kept else None)


def _record(settings: Settings, data: Dataset, fitted: Refit, uri: str) -> RefitRecord:
    """Return the record of a fit: thresholds from the rows that are not of test, and what became of those of test."""
    others, test = fitted.unseen.part(~fitted.test), fitted.unseen.part(fitted.test)
    quality = metrics.intervals(fitted.unseen, _RESAMPLES, settings.seed)
    count = recalibration.RECENT_OF_ALL
    quality["recent_ece_any"] = recalibration.newest_error(fitted.unseen, _RESAMPLES, settings.seed, count)
    return RefitRecord(
        uri=uri,
        data_sha256=data.sha256,
        encounters=len(data.y),
        patients=len(set(data.patients.tolist())),
        quality={name: quality[name] for name in refits.QUALITY},
        points=operating_points.choose_points(others),
        bands=operating_points.measure_bands(operating_points.choose_bands(others), test),
    )

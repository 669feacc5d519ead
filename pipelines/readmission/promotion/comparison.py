"""Comparison of a candidate with the champion and the best so far: on all patients, where both can answer for all."""

import logging
import tempfile
from pathlib import Path

from mlflow.tracking import MlflowClient
from sklearn.pipeline import Pipeline

from readmission.evaluation import metrics
from readmission.evaluation.metrics import Interval, Scored
from readmission.promotion import folds, refitted
from readmission.promotion.champion import Champion
from readmission.registry.runs import TrainedModel
from readmission.settings import Settings
from readmission.training.dataset import Dataset

log = logging.getLogger(__name__)


def compare(
    settings: Settings,
    client: MlflowClient,
    data: Dataset,
    candidate: TrainedModel,
    pipeline: Pipeline,
    validation: Scored,
    champion: Champion | None,
) -> tuple[set[str], dict[str, float]]:
    """Compare a candidate with the champion, and with the best champion so far.

    A candidate is fitted on its folds for that, and on every patient, before the gates are checked; if it passes, the
    fit on every patient is the one that serves.

    Args:
        settings: Metric of the comparison, seed of the bootstrap.
        client: MLflow server.
        data: Dataset that was loaded with `held_out=True`.
        candidate: Candidate.
        pipeline: Its Pipeline.
        validation: Validation rows as it answers them.
        champion: Champion to compare with. None if there is none.

    Returns:
        Conditions of the gates that hold, and figures by name.
    """
    if not champion or not champion.validation:
        return set(), {}
    record = champion.record
    unseen: Scored | None = None
    if champion.unseen or (record and record.unseen):
        unseen = _score(settings, client, data, candidate, pipeline)
    difference = _difference(settings, champion, unseen, (validation, champion.validation))
    figures = {"difference": difference.value, "difference_low": difference.low}
    conditions = {"champion", "same_data" if champion.data_sha256 == data.sha256 else "new_data"}
    if not record or not record.validation:
        return conditions, figures
    best = _difference(settings, record, unseen, (validation, record.validation))
    figures |= {"record_difference": best.value, "record_difference_high": best.high}
    return conditions | {"record"}, figures


def _score(
    settings: Settings, client: MlflowClient, data: Dataset, candidate: TrainedModel, pipeline: Pipeline
) -> Scored | None:
    """Return all rows, each by the fit of the candidate that has not seen the patient."""
    fitted = refitted.find_or_fit(settings, client, candidate, pipeline)
    if fitted is None:
        return None
    if fitted.unseen and fitted.record.data_sha256 == data.sha256:
        return fitted.unseen
    with tempfile.TemporaryDirectory() as directory:
        return folds.score(settings, client, candidate.run_id, data, data.visits, Path(directory))


def _difference(
    settings: Settings, champion: Champion, unseen: Scored | None, on_validation: tuple[Scored, Scored]
) -> Interval:
    """Return candidate minus champion: on all patients if both answer for them, else on those of validation."""
    pair, where = on_validation, "the validation patients"
    if unseen and champion.unseen:
        pair, where = (unseen, champion.unseen), "all patients"
    selection = settings.training.selection
    difference = metrics.compare(*pair, selection, seed=settings.seed)
    log.info("against version %s on %s: %s %s", champion.version, where, selection, difference)
    return difference

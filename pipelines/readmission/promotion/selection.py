"""Selection of the candidate that is to become the champion: the first that passes every gate."""

import logging
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from mlflow.tracking import MlflowClient

from readmission.errors import RefusalError
from readmission.promotion.candidates import Judgement, judge
from readmission.promotion.champion import Champion
from readmission.promotion.overrides import Overrides
from readmission.registry import ledger, lineage, runs
from readmission.registry.runs import TrainedModel
from readmission.settings import Settings
from readmission.training.dataset import Dataset

log = logging.getLogger(__name__)

T = TypeVar("T")


def find_candidate(settings: Settings, run_id: str) -> TrainedModel:
    """Return the model of one run.

    Raises:
        RefusalError: There is no such run, or other code or libraries trained it.
    """
    model = runs.find(settings, run_id)
    if model is None:
        raise RefusalError(f"--run-id: no model was trained in run {run_id}.")
    if (model.code, model.packages) != (lineage.code_version(), lineage.packages()):
        raise RefusalError(f"--run-id: run {run_id} was trained by other code or libraries: run `readmission train`.")
    return model


def first_passing(
    settings: Settings,
    client: MlflowClient,
    data: Dataset,
    candidates: Sequence[TrainedModel],
    champion: Champion | None,
    overrides: Overrides,
    accept: Callable[[Judgement, Path], T],
) -> T | None:
    """Judge candidate after candidate until one passes, and hand it over; each refusal is a row of the ledger.

    Args:
        settings: Stores and gates.
        client: MLflow server.
        data: Dataset that was loaded with `held_out=True`.
        candidates: Models to judge, the best on validation first.
        champion: Champion to compare with. None if there is none.
        overrides: What a person decides where the gates alone would stop a candidate.
        accept: What to do with the judgement that passed and the folder of its compiled model.

    Returns:
        What `accept` returns. None if the champion is the best, or stays because no candidate passes.

    Raises:
        RefusalError: No candidate passes, and there is no champion.
    """
    for candidate in candidates:
        if champion and candidate.run_id == champion.run_id:
            log.info("version %s (%s) stays champion: no better candidate", champion.version, candidate.family)
            return None
        with tempfile.TemporaryDirectory() as directory:
            judgement = judge(settings, client, data, candidate, champion, Path(directory), overrides)
            if judgement.verdict.passed:
                return accept(judgement, Path(directory))
        if not _record(settings, judgement, champion, overrides):
            break
    if champion is None:
        raise RefusalError("No candidate passes the gates; nothing is promoted. The reasons stand above.")
    log.warning("version %s stays champion", champion.version)
    return None


def _record(settings: Settings, judgement: Judgement, champion: Champion | None, overrides: Overrides) -> bool:
    """Record a refusal; return whether the next candidate may pass: not if this was refused as no better alone."""
    replaced = champion.version if champion else None
    ledger.record_refusal(settings, judgement.candidate, replaced, judgement.verdict.as_data(), overrides.who)
    return {check.figure for check in judgement.verdict.failed} != {"difference_low"}

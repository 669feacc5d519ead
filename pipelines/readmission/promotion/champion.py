"""The champion that a candidate is compared with: its compiled models, as they were judged."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.tracking import MlflowClient

from readmission import scorer
from readmission.evaluation.metrics import Scored
from readmission.promotion import folds
from readmission.promotion.compiled import fetch_judged
from readmission.registry import tracking
from readmission.scorer.manifest import ContractMismatchError
from readmission.scorer.pipeline import to_columns
from readmission.scorer.rows import VISITS
from readmission.settings import Settings
from readmission.training.dataset import Dataset

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Champion:
    """Champion with its probabilities on patients whom it has not seen.

    Attributes:
        version: Version of the registered model.
        run_id: MLflow run that trained it.
        data_sha256: Hash of the snapshot that it was trained on; empty if it is not recorded.
        validation: Validation rows as the judged model answers them. None if it cannot: it is of another contract.
        unseen: All rows, each by the fit of its folds that has not seen the patient. None if it has no such fits.
        record: The best champion so far. None if that is this one, or none holds the record.
    """

    version: str
    run_id: str
    data_sha256: str
    validation: Scored | None
    unseen: Scored | None = None
    record: "Champion | None" = None


def find_champion(client: MlflowClient, settings: Settings, data: Dataset, folder: Path) -> Champion | None:
    """Score the patients with the compiled champion; None without a champion.

    A compiled model, with the history that it ships, cannot be changed by later code. Its Pipeline reads features by
    the code of today, which may have renamed one or read it in another way. Where the champion was fitted again on
    every patient, what serves has seen the validation patients: the model that was judged answers for those, and the
    fits that each leave out a fold for all patients.

    Args:
        client: MLflow server.
        settings: Registered model.
        data: Dataset that was loaded with `held_out=True`.
        folder: Empty folder for the compiled model.

    Raises:
        ArtifactError: The compiled model is damaged.
        RegistryError: MLflow does not answer.
    """
    current = tracking.champion(client, settings)
    if current is None:
        return None
    champion = _score(client, settings, current, data, folder / "champion")
    best = tracking.record_holder(client, settings)
    if best is None or str(best.version) == champion.version:
        return champion
    return replace(champion, record=_score(client, settings, best, data, folder / "record"))


def _score(client: MlflowClient, settings: Settings, current: Any, data: Dataset, folder: Path) -> Champion:
    folder.mkdir(exist_ok=True)
    validation: Scored | None = None
    unseen: Scored | None = None
    try:
        compiled = fetch_judged(client, current.run_id, folder)
        answers = scorer.load(compiled, settings.patient_keys).score_many(to_columns(data.frames["validation"]))
        validation = data.scored("validation", np.asarray(answers, dtype=np.float64))
        visits = (compiled / VISITS).read_bytes() if (compiled / VISITS).exists() else b""
        unseen = folds.score(settings, client, current.run_id, data, visits, folder)
    except ContractMismatchError as error:
        log.warning("version %s is not compared with the candidates: %s", current.version, error)
    return Champion(
        version=str(current.version),
        run_id=str(current.run_id),
        data_sha256=current.tags.get("data_sha256", ""),
        validation=validation,
        unseen=unseen,
    )


def is_record(figures: Mapping[str, float], champion: Champion | None) -> bool:
    """Return whether a candidate is the best so far: better than whoever holds the record, or nobody can be compared.

    Args:
        figures: Figures of its judgement.
        champion: Champion that it replaces, with the holder of the record. None if there is none.
    """
    if champion is None:
        return True
    return figures.get("record_difference" if champion.record else "difference", 0.0) >= 0.0

"""Compiled models of a run: the one that was judged and, where it was fitted again, the one that serves."""

import logging
import shutil
from pathlib import Path

import msgspec
from mlflow.tracking import MlflowClient
from sklearn.pipeline import Pipeline

from readmission.contract.risk import OperatingPoint, RiskBand
from readmission.evaluation import gates
from readmission.evaluation.refits import RefitRecord
from readmission.promotion import folds, refitted
from readmission.promotion.refitted import Refitted
from readmission.registry.runs import TrainedModel
from readmission.scorer.compiler import compile_pipeline
from readmission.scorer.manifest import ArtifactError, read_manifest, write_manifest
from readmission.scorer.rows import VISITS
from readmission.settings import Settings
from readmission.training import gate_metrics
from readmission.training.dataset import Dataset

log = logging.getLogger(__name__)

#: Folders of a run's artifacts. Without a second fit, what serves is what was judged, and JUDGED does not exist.
SERVING, JUDGED = "serving", "judged"
#: Real rows on which a compiled model is compared with its Pipeline, beside the invented ones.
_PARITY_ROWS = 2000


def compile_model(
    settings: Settings,
    data: Dataset,
    candidate: TrainedModel,
    pipeline: Pipeline,
    folder: Path,
    *,
    figures: dict[str, float],
    points: tuple[OperatingPoint, ...],
    bands: tuple[RiskBand, ...],
    prevalence: float | None,
) -> None:
    """Compile a Pipeline of a candidate, with the visits of all patients.

    More than 40 lines, because every fact of the manifest is named.

    Args:
        settings: Name of the registered model, key of the visits.
        data: Dataset that was loaded with `held_out=True`.
        candidate: Training of the Pipeline.
        pipeline: Judged Pipeline, or the one that was fitted again.
        folder: Empty folder for the compiled model.
        figures: Figures of the judgement.
        points: Operating points.
        bands: Bands of risk, from the lowest.
        prevalence: Share of early readmissions in its training data, 0 to 1.

    Raises:
        ArtifactError: The compiled model does not answer as its Pipeline.
    """
    compile_pipeline(
        pipeline,
        folder,
        family=candidate.family,
        sample=data.frames["test"].head(_PARITY_ROWS),
        metrics={name: value for name, value in figures.items() if value == value},
        synthetic=data.synthetic,
        run_id=candidate.run_id,
        model_name=settings.mlflow.model_name,
        visits=data.visits,
        points=points,
        bands=bands,
        prevalence=prevalence,
        systems=data.icd,
        key=next(iter(settings.patient_keys), None),
    )


def add_refit(
    settings: Settings, client: MlflowClient, data: Dataset, candidate: TrainedModel, judged: Pipeline, folder: Path
) -> RefitRecord | None:
    """Let a candidate that passed be served as it is after a fit on every patient; the judged model stays beside it.

    Args:
        settings: Stores, gates; whether and by which engine to fit.
        client: MLflow server.
        data: Dataset that was loaded with `held_out=True`.
        candidate: Candidate that passed the gates.
        judged: Its Pipeline.
        folder: Folder with the compiled judged model in SERVING, which goes to JUDGED.

    Returns:
        Record of the fit. None if the judged model is to serve itself: by the settings, or because the fit on every
        patient meets a gate of serving no more.
    """
    fitted = refitted.find_or_fit(settings, client, candidate, judged)
    if fitted is None:
        return None
    serving, beside = folder / SERVING, folder / JUDGED
    serving.rename(beside)
    try:
        _compile_refit(settings, data, candidate, fitted, folder)
    except ArtifactError as error:
        log.warning("%s is served as it was judged: %s", candidate.family, error)
        shutil.rmtree(serving, ignore_errors=True)
        beside.rename(serving)
        return None
    drop_visits(beside)
    return fitted.record


def _compile_refit(settings: Settings, data: Dataset, candidate: TrainedModel, fitted: Refitted, folder: Path) -> None:
    """Compile what serves, and check the gates of serving on it.

    Raises:
        ArtifactError: It does not answer as its Pipeline, or misses a gate.
    """
    early, size = (data.counts[name].sum() for name in ("early", "size"))
    compile_model(
        settings,
        data,
        candidate,
        fitted.pipeline,
        folder / SERVING,
        figures=dict(read_manifest(folder / JUDGED).metrics),
        points=fitted.record.points,
        bands=fitted.record.bands,
        prevalence=float(early / size),
    )
    figures = gate_metrics.serving_metrics(folder / SERVING)
    rules = [gate for gate in gates.read_gates(settings.training.gates) if gate.figure in figures]
    verdict = gates.judge(rules, figures, (), rows=int(size))
    if not verdict.passed:
        raise ArtifactError(f"fitted on every patient it misses a gate:\n{verdict}")


def drop_visits(folder: Path) -> None:
    """Remove the visits of patients from a compiled model that is kept for comparisons: what serves has the same."""
    manifest = read_manifest(folder)
    (folder / VISITS).unlink(missing_ok=True)
    files = {name: digest for name, digest in manifest.files.items() if name != VISITS}
    write_manifest(folder, msgspec.structs.replace(manifest, files=files, history={}))


def fetch_judged(client: MlflowClient, run_id: str, folder: Path) -> Path:
    """Download the compiled model of a champion that was judged, with the visits that the one in service has.

    Args:
        client: MLflow server.
        run_id: Run of the champion.
        folder: Empty folder to write to.

    Returns:
        Folder of the compiled model.

    Raises:
        ArtifactError: A compiled model is damaged, or of another contract.
    """
    serving = Path(client.download_artifacts(run_id, SERVING, str(folder)))
    if JUDGED not in {item.path for item in client.list_artifacts(run_id)}:
        return serving
    judged = Path(client.download_artifacts(run_id, JUDGED, str(folder)))
    served = read_manifest(serving)
    if VISITS in served.files:
        folds.add_visits(judged, (serving / VISITS).read_bytes())
    return judged

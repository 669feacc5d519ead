"""Candidates and their judgement: every figure, the compiled model, the verdict of the gates, and the model card."""

import json
import logging
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mlflow.tracking import MlflowClient
from sklearn.pipeline import Pipeline

from readmission import models
from readmission.errors import RefusalError
from readmission.evaluation import (
    dossier,
    fairness,
    gates,
    importance,
    metrics,
    model_card,
    operating_points,
    recalibration,
    score_comparison,
)
from readmission.evaluation.gates import Verdict
from readmission.evaluation.refits import RefitRecord
from readmission.evaluation.score_comparison import Comparison
from readmission.evaluation.site_facts import SiteFacts, read_site_facts
from readmission.promotion import comparison, compiled
from readmission.promotion.champion import Champion
from readmission.promotion.compiled import SERVING
from readmission.promotion.overrides import Overrides
from readmission.registry import in_use, ledger, lineage, runs, tracking
from readmission.registry.runs import TrainedModel
from readmission.scorer.manifest import ArtifactError, complete_artifact
from readmission.settings import Settings
from readmission.training import gate_metrics
from readmission.training.dataset import Dataset

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Candidate with what the gates say of it.

    Attributes:
        candidate: Trained model.
        verdict: Every gate that applies.
        figures: Every figure, by name.
        files: Model card and verdict, by file name.
        refit: What would serve in its place. None if it would serve itself, or did not pass.
    """

    candidate: TrainedModel
    verdict: Verdict
    figures: dict[str, float]
    files: dict[str, str]
    refit: RefitRecord | None = None


def find_candidates(settings: Settings, data: Dataset) -> list[TrainedModel]:
    """Return the newest model of each family that this code trained on the data, the best on validation first.

    Where outcomes of these batches have become known since, the data is another: then those of the newest training on
    the same batches are returned, to be judged by what is known now.

    Raises:
        RefusalError: There is none.
    """
    code, packages = lineage.code_version(), lineage.packages()
    candidates = runs.candidates(settings, data.sha256, code, packages, settings.training.selection)
    if not candidates and (before := runs.newest_data(settings, data.batches[-1], code, packages)):
        candidates = runs.candidates(settings, before, code, packages, settings.training.selection)
        log.info("batches %s-%s have changed since the newest training on them", data.batches[0], data.batches[-1])
    if not candidates:
        raise RefusalError(
            f"No model was trained on the clean batches {data.batches} by this code and these libraries: "
            "run `readmission train`."
        )
    missing = sorted(set(models.FAMILIES) - {candidate.family for candidate in candidates})
    if missing:
        log.warning("not trained on this data, so not compared: %s", ", ".join(missing))
    return candidates


def judge(
    settings: Settings,
    client: MlflowClient,
    data: Dataset,
    candidate: TrainedModel,
    champion: Champion | None,
    folder: Path,
    overrides: Overrides,
) -> Judgement:
    """Judge one candidate, keep card and verdict with its run, and write its compiled model.

    Args:
        settings: Stores, metric of the comparison, seed of the bootstrap.
        client: MLflow server.
        data: Dataset that was loaded with `held_out=True`.
        candidate: Model to judge.
        champion: Champion to compare with. None if there is none.
        folder: Empty folder for the compiled models, as in a run's artifacts; they are whole if the verdict is passed.
        overrides: What a person decides where the gates alone would stop it.
    """
    site = _site_facts(settings)
    pipeline = tracking.load_pipeline(tracking.model_uri(client, candidate.run_id))
    held_out = gate_metrics.held_out_metrics(data, pipeline)
    comparisons = score_comparison.compare_held_out(held_out.scored, data.frames, settings.seed)
    held_out.figures.update(score_comparison.gate_figures(comparisons))
    verdict = _check_gates(settings, client, data, candidate, pipeline, held_out, champion, folder)
    verdict = _add_decisions(settings, candidate, verdict, site, overrides)
    log.info("%s, run %s:\n%s", candidate.family, candidate.run_id, verdict)
    refit = compiled.add_refit(settings, client, data, candidate, pipeline, folder) if verdict.passed else None
    facts = _facts(settings, data, candidate, pipeline, held_out, verdict, comparisons, champion, refit)
    cards = dossier.files(facts, site, date.today())
    files = {**cards, "verdict.json": json.dumps(verdict.as_data(), indent=2)}
    tracking.log_files(client, candidate.run_id, files)
    if verdict.passed:
        doubts = fairness.doubts(held_out.slices, held_out.figures["test_roc_auc_30"])
        complete_artifact(folder / SERVING, verdict.as_data(), cards, doubts)
    else:
        reasons = (f"{check.gate}: {check.figure} {check.value} must be {check.limit}" for check in verdict.failed)
        log.warning("%s is refused: %s", candidate.family, "; ".join(reasons))
    return Judgement(candidate=candidate, verdict=verdict, figures=held_out.figures, files=files, refit=refit)


def _check_gates(
    settings: Settings,
    client: MlflowClient,
    data: Dataset,
    candidate: TrainedModel,
    pipeline: Pipeline,
    held_out: gate_metrics.HeldOutMetrics,
    champion: Champion | None,
    folder: Path,
) -> Verdict:
    """Complete the figures, compile the candidate into the folder, and check the gates."""
    name, strength = gate_metrics.strongest_feature(data)
    log.info("the strongest single feature is %s: ROC-AUC %.3f", name, strength)
    figures = held_out.figures
    figures["single_feature_roc_auc"] = strength
    validation = held_out.scored["validation"]
    conditions, differences = comparison.compare(settings, client, data, candidate, pipeline, validation, champion)
    figures.update(differences)
    if not data.synthetic:
        conditions.add("real")
    try:
        compiled.compile_model(
            settings,
            data,
            candidate,
            pipeline,
            folder / SERVING,
            figures=figures,
            points=operating_points.choose_points(validation),
            bands=operating_points.measure_bands(operating_points.choose_bands(validation), held_out.scored["test"]),
            prevalence=data.prevalence,
        )
        figures |= gate_metrics.serving_metrics(folder / SERVING)
    except ArtifactError as error:
        log.warning("%s cannot be served: %s", candidate.family, error)
    return gates.judge(
        gates.read_gates(settings.training.gates), figures, conditions, rows=int(data.counts["size"].sum())
    )


def _add_decisions(
    settings: Settings, candidate: TrainedModel, verdict: Verdict, site: SiteFacts, overrides: Overrides
) -> Verdict:
    """Return the verdict with what people decide: a return after a roll-back, waivers, the facts of the site."""
    if ledger.is_rolled_back(settings, candidate.run_id):
        verdict = Verdict((*verdict.checks, overrides.check_return()))
    verdict = overrides.waive(verdict)
    if settings.site.required:
        verdict = Verdict((*verdict.checks, dossier.check_site(site, date.today())))
    return verdict


def _site_facts(settings: Settings) -> SiteFacts:
    try:
        return read_site_facts(settings.site.facts)
    except ValueError as error:
        raise RefusalError(str(error)) from error


def _facts(
    settings: Settings,
    data: Dataset,
    candidate: TrainedModel,
    pipeline: Pipeline,
    held_out: gate_metrics.HeldOutMetrics,
    verdict: Verdict,
    comparisons: list[Comparison],
    champion: Champion | None,
    refit: RefitRecord | None,
) -> model_card.Facts:
    """Collect the facts of the model card and the dossier."""
    validation, test = held_out.scored["validation"], held_out.scored["test"]
    return model_card.Facts(
        name=settings.mlflow.model_name,
        family=candidate.family,
        lineage=_lineage(candidate),
        rows=data.counts["size"].to_dict(),
        patients=data.counts["nunique"].to_dict(),
        synthetic=data.synthetic,
        intervals=metrics.intervals(test, 200, settings.seed)
        | {"recent_ece_any": recalibration.newest_error(test, 200, settings.seed)},
        points=operating_points.choose_points(validation),
        slices=held_out.slices,
        comparisons=comparisons,
        verdict=verdict,
        importance=importance.table(pipeline, data.matrix[data.rows("validation")], validation, settings.seed),
        earlier=ledger.champions(settings, candidate.data_sha256),
        live=in_use.live_figures(settings, champion.version if champion else None),
        feedback=in_use.card_feedback(settings),
        refit=refit,
    )


def _lineage(candidate: TrainedModel) -> dict[str, str]:
    """Return what the model was made from, as its training recorded it; the judge may run other code elsewhere."""
    return {
        "data (sha256 of the snapshot)": candidate.data_sha256,
        "batches": candidate.batches,
        "code systems of the diagnoses": ", ".join(f"ICD-{system.upper()}" for system in candidate.icd.split()),
        "code": candidate.code,
        "commit": candidate.revision or "not known",
        "seed": str(candidate.seed),
        "MLflow run": candidate.run_id,
        "packages": candidate.packages or "not recorded",
        "image": candidate.image or "none, a checkout",
    }

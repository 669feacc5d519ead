"""Make the best trained candidate the champion, if every gate lets it."""

import getpass
import json
import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from mlflow.tracking import MlflowClient
from sklearn.pipeline import Pipeline

from readmission import models, tracing
from readmission.errors import UserError
from readmission.evaluation import gates, importance, metrics, model_card, operating_points, score_comparison
from readmission.evaluation.gates import Check, Verdict
from readmission.evaluation.score_comparison import Comparison
from readmission.registry import ledger, tracking
from readmission.scorer.compiler import compile_pipeline
from readmission.scorer.manifest import CARD, ArtifactError, complete_artifact
from readmission.settings import Settings
from readmission.training import dataset, gate_metrics
from readmission.training.dataset import Dataset

log = logging.getLogger(__name__)

#: Real rows on which a compiled model is compared with its Pipeline, beside the invented ones.
_PARITY_ROWS = 2000


@dataclass(frozen=True)
class Champion:
    """The current champion's version with its Pipeline."""

    version: Any
    pipeline: Pipeline


def run(
    settings: Settings,
    *,
    batch_up_to: Annotated[
        int | None, typer.Option(help="Judge on the batches up to this one. [the last trained on]")
    ] = None,
    by: Annotated[str, typer.Option(help="Who decides, for the audit table. [the user of this process]")] = "",
    again: Annotated[
        bool, typer.Option(help="Let a version return that was rolled back from; --why is then needed.")
    ] = False,
    why: Annotated[str, typer.Option(help="The reason for --again, for the audit table.")] = "",
) -> str:
    """Make the best trained candidate the champion, if every gate lets it.

    Candidates are the newest run of each family on the same data; the best on validation comes first, and the
    next when a gate stops it. Each decision is a row of training.promotions. The gates: gates.yaml.

    Returns:
        the version that is champion afterwards.

    Raises:
        UserError: nothing was trained on this data, no candidate passes and there is no champion, or --again has no
            reason.
    """
    if again and not why:
        raise UserError("--again needs a reason: --why.")
    client = tracking.connect(settings)
    with ledger.lock_decisions(settings):
        return _promote(settings, client, batch_up_to, by or getpass.getuser(), why if again else "")


def _promote(settings: Settings, client: MlflowClient, batch_up_to: int | None, who: str, why: str) -> str:
    """Judge candidate after candidate until one passes; return the version that is champion afterwards."""
    # Not simply the newest data: a batch may have come in since the training that is to be judged.
    data = dataset.load(settings, batch_up_to or ledger.newest_batch(settings), held_out=True)
    candidates = ledger.experiments(settings, data.sha256, settings.training.selection)
    if not candidates:
        raise UserError(f"No model was trained on the clean batches {data.batches}: run `readmission train`.")
    missing = sorted(set(models.FAMILIES) - {candidate.family for candidate in candidates})
    if missing:
        log.warning("not trained on this data, so not compared: %s", ", ".join(missing))
    tracing.count(rows=int(data.counts["size"].sum()), candidates=len(candidates))
    current = tracking.champion(client, settings)
    champion = Champion(current, tracking.load_pipeline(_uri(client, current.run_id))) if current else None
    for candidate in candidates:
        if champion and candidate.run_id == champion.version.run_id:
            log.info("version %s (%s) stays champion: no better candidate", champion.version.version, candidate.family)
            return str(champion.version.version)
        version, verdict = _try(settings, client, data, candidate, champion, who, why)
        if version:
            return version
        if {check.figure for check in verdict.failed} == {"difference_low"}:
            break  # the rest are no better on validation
    if champion is None:
        raise UserError("No candidate passes the gates; nothing is promoted. The reasons stand above.")
    log.warning("version %s stays champion", champion.version.version)
    return str(champion.version.version)


def _try(
    settings: Settings,
    client: MlflowClient,
    data: Dataset,
    candidate: ledger.Experiment,
    champion: Champion | None,
    who: str,
    why: str,
) -> tuple[str, Verdict]:
    """Judge one candidate and promote it when it passes; the version is empty when it does not."""
    pipeline = tracking.load_pipeline(_uri(client, candidate.run_id))
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        judged = gate_metrics.held_out_metrics(data, pipeline)
        comparisons = score_comparison.compare_held_out(judged.scored, data.frames, settings.seed)
        judged.figures.update(score_comparison.gate_figures(comparisons))
        verdict = _judge(settings, data, candidate, pipeline, judged, champion, folder)
        if ledger.is_rolled_back(settings, candidate.run_id):
            verdict = Verdict((*verdict.checks, _check_return(why)))
        log.info("%s, run %s:\n%s", candidate.family, candidate.run_id, verdict)
        card = _card(settings, data, candidate, pipeline, judged, verdict, comparisons)
        card["verdict.json"] = json.dumps(verdict.as_data(), indent=2)
        tracking.log_files(client, candidate.run_id, card)
        replaced = str(champion.version.version) if champion else None
        if not verdict.passed:
            reasons = [f"{check.gate}: {check.figure} {check.value} must be {check.limit}" for check in verdict.failed]
            log.warning("%s is refused: %s", candidate.family, "; ".join(reasons))
            ledger.record(settings, "refused", candidate, None, replaced, verdict.as_data(), who)
            return "", verdict
        # With the version for good: the API and the demo show them.
        complete_artifact(folder, verdict.as_data(), card[CARD])
        client.log_artifacts(candidate.run_id, directory, "serving")
    version = tracking.make_champion(client, settings, candidate, _uri(client, candidate.run_id), verdict)
    ledger.record(settings, "promoted", candidate, version, replaced, verdict.as_data(), who)
    log.info("version %s (%s) is champion", version, candidate.family)
    return version, verdict


def _check_return(why: str) -> Check:
    """Return the gate for a model that was rolled back from: it passes only with a person's reason."""
    return Check(
        gate="not_rolled_back",
        figure="rolled_back",
        value=1.0,
        limit="0, or let return by --again with a reason",
        passed=bool(why),
        reason=why or "A person rolled back from this version, so only a person may let it return.",
    )


def _judge(
    settings: Settings,
    data: Dataset,
    candidate: ledger.Experiment,
    pipeline: Pipeline,
    judged: gate_metrics.HeldOutMetrics,
    champion: Champion | None,
    folder: Path,
) -> Verdict:
    """Compute every figure, compile the candidate into the folder, and check the gates."""
    name, strength = gate_metrics.strongest_feature(data)
    log.info("the strongest single feature is %s: ROC-AUC %.3f", name, strength)
    figures = {**judged.figures, "single_feature_roc_auc": strength}
    conditions = set() if data.synthetic else {"real"}
    if champion:
        figures |= _difference(settings, data, judged, champion)
        same = champion.version.tags.get("data_sha256") == data.sha256
        conditions |= {"champion", "same_data" if same else "new_data"}
    try:
        compile_pipeline(
            pipeline,
            folder,
            family=candidate.family,
            sample=data.frames["test"].head(_PARITY_ROWS),
            metrics={n: v for n, v in figures.items() if v == v},
            synthetic=data.synthetic,
            run_id=candidate.run_id,
            model_name=settings.mlflow.model_name,
            visits=data.visits,
            points=operating_points.choose_points(judged.scored["validation"]),
            bands=operating_points.measure_bands(
                operating_points.choose_bands(judged.scored["validation"]), judged.scored["test"]
            ),
            prevalence=data.prevalence,
            systems=data.icd,
        )
        figures |= gate_metrics.serving_metrics(folder)
    except ArtifactError as error:
        log.warning("%s cannot be served: %s", candidate.family, error)
    return gates.judge(gates.load_gates(), figures, conditions, len(data.batches))


def _difference(
    settings: Settings, data: Dataset, judged: gate_metrics.HeldOutMetrics, champion: Champion
) -> dict[str, float]:
    """Compare the candidate with the champion on the validation rows, by the metric that selects."""
    other = gate_metrics.held_out_metrics(data, champion.pipeline).scored["validation"]
    difference = metrics.compare(judged.scored["validation"], other, settings.training.selection, seed=settings.seed)
    log.info("against version %s: %s %s", champion.version.version, settings.training.selection, difference)
    return {"difference": difference.value, "difference_low": difference.low}


def _card(
    settings: Settings,
    data: Dataset,
    candidate: ledger.Experiment,
    pipeline: Pipeline,
    judged: gate_metrics.HeldOutMetrics,
    verdict: Verdict,
    comparisons: list[Comparison],
) -> dict[str, str]:
    """Write the model card, as Markdown and as HTML, by file name."""
    leaning = importance.table(
        pipeline, data.matrix[data.rows("validation")], judged.scored["validation"], settings.seed
    )
    facts = model_card.Facts(
        name=settings.mlflow.model_name,
        family=candidate.family,
        lineage={
            "data (sha256 of the snapshot)": data.sha256,
            "batches": candidate.batches,
            "code systems of the diagnoses": ", ".join(f"ICD-{system.upper()}" for system in data.icd),
            "code": tracking.code_version(settings),
            "seed": str(settings.seed),
            "MLflow run": candidate.run_id,
            "packages": ", ".join(tracking.requirements()),
            "image": settings.image or "none, a checkout",
        },
        rows=data.counts["size"].to_dict(),
        patients=data.counts["nunique"].to_dict(),
        synthetic=data.synthetic,
        intervals=metrics.intervals(judged.scored["test"], 200, settings.seed),
        points=operating_points.choose_points(judged.scored["validation"]),
        slices=judged.slices,
        comparisons=comparisons,
        verdict=verdict,
        importance=leaning,
        earlier=ledger.champions(settings, candidate.data_sha256),
    )
    text = model_card.markdown(facts)
    return {
        "model_card.md": text,
        "model_card.html": model_card.html(text, f"{settings.mlflow.model_name}: model card"),
    }


def _uri(client: MlflowClient, run_id: str) -> str:
    return str(client.get_run(run_id).data.tags["model_uri"])

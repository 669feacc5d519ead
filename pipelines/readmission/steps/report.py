"""Quality of the champion on rows that it has not seen, with intervals."""

import json
from typing import Annotated

import pandas as pd
import typer

from readmission.errors import UserError
from readmission.evaluation import metrics, recalibration
from readmission.registry import tracking
from readmission.settings import Settings
from readmission.training import dataset, gate_metrics

#: Metrics of the report with their labels, in order of interest.
HEADLINE = {
    "roc_auc_30": "ROC-AUC, readmission within 30 days",
    "pr_auc_30": "PR-AUC, readmission within 30 days",
    "prevalence_30": "  prevalence",
    "recall_at_alert_10": "recall when a tenth is alerted",
    "precision_at_alert_10": "precision when a tenth is alerted",
    "brier_30": "Brier score",
    "ece_30": "calibration error (ECE)",
    "recent_ece_any": "calibration error of any readmission, newest 1,500",
    "accuracy": "accuracy, three classes",
    "accuracy_always_no": "  of always answering NO",
    "f1_score_weighted": "F1, weighted",
    "f1_macro": "F1, macro",
    "log_loss": "log loss",
}


def run(
    settings: Settings,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    resamples: Annotated[int, typer.Option(min=50, help="Resamples of the bootstrap.")] = metrics.RESAMPLES,
) -> None:
    """Print the champion's quality on validation and test, with 95 % intervals.

    Raises:
        UserError: There is no champion.
    """
    client = tracking.connect(settings)
    champion = tracking.champion(client, settings)
    if champion is None:
        raise UserError("There is no champion yet: run `readmission train` and `readmission promote`.")
    data = dataset.load(settings, held_out=True)
    judged = tracking.model_uri(client, champion.run_id)
    held_out = gate_metrics.held_out_metrics(data, tracking.load_pipeline(judged))
    measured = {
        split: metrics.intervals(scored, resamples, settings.seed)
        | {"recent_ece_any": recalibration.newest_error(scored, resamples, settings.seed)}
        for split, scored in held_out.scored.items()
    }
    if as_json:
        typer.echo(
            json.dumps({s: {n: vars(i) for n, i in intervals.items()} for s, intervals in measured.items()}, indent=2)
        )
        return
    batches = f"batches {data.batches[0]}-{data.batches[-1]}{', SYNTHETIC data' if data.synthetic else ''}"
    typer.echo(f"{champion.name} version {champion.version} ({champion.tags.get('family')}), {batches}")
    if champion.source != judged:
        typer.echo("Figures of the judged model: what serves was fitted again on every patient, these included.")
    for split, intervals in measured.items():
        scored = held_out.scored[split]
        typer.echo(f"\n{split}: {len(scored.y):,} encounters of {len(set(scored.patients)):,} patients")
        typer.echo("\n".join(f"  {label:<53} {intervals[name]}" for name, label in HEADLINE.items()))
    groups = pd.DataFrame([vars(group) for group in held_out.slices]).round(3)
    typer.echo(
        f"\nGroups, validation and test together, threshold {held_out.threshold:.3f}:\n{groups.to_string(index=False)}"
    )

"""Print what the champion does on rows it has not seen, with intervals."""

import json
from typing import Annotated

import pandas as pd
import typer

from readmission.errors import UserError
from readmission.evaluation import metrics
from readmission.registry import tracking
from readmission.settings import Settings
from readmission.training import dataset, gate_metrics

#: What a reader asks first, in this order.
HEADLINE = {
    "roc_auc_30": "ROC-AUC, readmission within 30 days",
    "pr_auc_30": "PR-AUC, readmission within 30 days",
    "prevalence_30": "  prevalence",
    "recall_at_alert_10": "recall when a tenth is alerted",
    "precision_at_alert_10": "precision when a tenth is alerted",
    "brier_30": "Brier score",
    "ece_30": "calibration error (ECE)",
    "accuracy": "accuracy, three classes",
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
    """Print what the champion does on validation and test, with 95 % intervals by bootstrap of patients.

    Raises:
        UserError: there is no champion.
    """
    client = tracking.connect(settings)
    champion = tracking.champion(client, settings)
    if champion is None:
        raise UserError("There is no champion yet: run `readmission train` and `readmission promote`.")
    data = dataset.load(settings, held_out=True)
    found = gate_metrics.held_out_metrics(data, tracking.load_pipeline(champion.source))
    told = {split: metrics.intervals(scored, resamples, settings.seed) for split, scored in found.scored.items()}
    if as_json:
        typer.echo(json.dumps({s: {n: vars(i) for n, i in names.items()} for s, names in told.items()}, indent=2))
        return
    typer.echo(
        f"{settings.mlflow.model_name} version {champion.version} ({champion.tags.get('family')}), batches "
        f"{data.batches[0]}-{data.batches[-1]}{', SYNTHETIC data' if data.synthetic else ''}"
    )
    for split, intervals in told.items():
        scored = found.scored[split]
        typer.echo(f"\n{split}: {len(scored.y):,} encounters of {len(set(scored.patients)):,} patients")
        for name, words in HEADLINE.items():
            typer.echo(f"  {words:<38} {intervals[name]}")
    groups = pd.DataFrame([vars(group) for group in found.slices]).round(3)
    typer.echo(
        f"\nGroups, validation and test together, threshold {found.threshold:.3f}:\n{groups.to_string(index=False)}"
    )

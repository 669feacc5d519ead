"""Reproduce the published table: patient-grouped folds, forward in time, ablations, intervals."""

import logging
import time
from pathlib import Path
from typing import Annotated

import typer

from readmission import evaluation, pictures, protocol, tracking, training
from readmission.evaluation import Interval, Scored
from readmission.settings import Settings

log = logging.getLogger(__name__)

_SHOWN = ("roc_auc_30", "pr_auc_30", "ece_30", "accuracy", "f1_macro")
_HEAD = "| what | ROC-AUC <30 | PR-AUC <30 | ECE | accuracy | macro F1 |\n|---|---|---|---|---|---|"
_PUBLISHED = "| published results without leaks (range) | 0.65 to 0.684 | 0.19 to 0.235 | | | |"


def run(
    settings: Settings,
    *,
    report: Annotated[Path | None, typer.Option(help="Write the report here, a picture beside it.")] = None,
    family: Annotated[str, typer.Option(help="The family that is served.")] = "lightgbm",
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions of the folds for the headline.")] = 3,
    quick: Annotated[bool, typer.Option(help="Leave out the other families, the ensemble and the ablations.")] = False,
) -> dict[str, dict[str, Interval]]:
    """Reproduce the published table: patient-grouped folds pooled, forward in time, ablations, with intervals.

    Three folds by patient, every row tested once by a model that has not seen its patient; forward in time
    trains on the first five sevenths of the batches and tests later ones of other patients. Minutes of CPU.

    Returns:
        metrics with intervals by line of the table.

    Raises:
        UserError: there is no clean data.
    """
    began = time.perf_counter()
    client = tracking.connect(settings)
    data = training.load(settings)
    table = protocol.Table.of(data.frame)
    lines = _measure(settings, table, family, seeds, quick)
    text = _render(settings, data, family, seeds, lines)
    chosen = {label: found["roc_auc_30"] for label, found in lines.items()}
    picture = pictures.bars(
        {label: found.value for label, found in chosen.items()},
        [(found.low, found.high) for found in chosen.values()],
        "ROC-AUC for readmission within 30 days, 95 % interval",
        "how good the method is",
    )
    tags = {"step": "evaluate", "data_sha256": data.sha256, "git_sha": tracking.code_version(settings)}
    with tracking.run(client, settings, "evaluate", tags) as run_id:
        headline = next(iter(lines.values()))
        tracking.log_run(client, run_id, metrics={f"pooled_{n}": headline[n].value for n in _SHOWN})
        tracking.log_files(client, run_id, {"evaluation.md": text, "evaluation.png": picture})
    if report:
        report.write_text(text)
        picture.savefig(report.with_suffix(".png"))
    typer.echo(text)
    log.info("evaluated in %.0f s", time.perf_counter() - began)
    return lines


def _measure(
    settings: Settings, table: protocol.Table, family: str, seeds: int, quick: bool
) -> dict[str, dict[str, Interval]]:
    names, seed = protocol.ABLATIONS["served features"], settings.seed
    lines: dict[str, dict[str, Interval]] = {}

    def line(label: str, scored: Scored) -> None:
        lines[label] = evaluation.intervals(scored, 200, seed)
        log.info("%s: ROC-AUC %s", label, lines[label]["roc_auc_30"])

    base = protocol.pooled(table, family, names, seed)
    line(f"{family}, as served, folds pooled", base)
    for repetition in range(1, seeds):
        line(f"  again, folds of seed {seed + repetition}", protocol.pooled(table, family, names, seed + repetition))
    line(f"{family}, as served, forward in time", protocol.ahead(table, family, names, seed))
    line("  three classes by weighted classes", protocol.weighted_classes(base, seed))
    if quick:
        return lines
    for label, chosen in list(protocol.ABLATIONS.items())[1:]:
        line(f"  {label}", protocol.pooled(table, family, chosen, seed))
    line("logistic regression", protocol.pooled(table, "logistic_regression", names, seed))
    reference = protocol.ABLATIONS["with causal history"]
    line("ensemble of four with history", protocol.ensemble(lambda f: protocol.pooled(table, f, reference, seed)))
    line("  forward in time", protocol.ensemble(lambda f: protocol.ahead(table, f, reference, seed)))
    return lines


def _render(
    settings: Settings, data: training.Dataset, family: str, seeds: int, lines: dict[str, dict[str, Interval]]
) -> str:
    rows = [f"| {label} | " + " | ".join(_cell(found[n]) for n in _SHOWN) + " |" for label, found in lines.items()]
    made_up = " **The data is SYNTHETIC: the figures say nothing.**" if data.synthetic else ""
    return "\n".join(
        [
            "# How good the method is",
            "",
            f"{len(data.frame):,} encounters of {data.frame['patient_nbr'].nunique():,} patients, batches "
            f"{data.batches[0]}-{data.batches[-1]}, data {data.sha256[:12]}, "
            f"code {tracking.code_version(settings)[:12]}, seed {settings.seed}, "
            f"{seeds} repetitions of the folds.{made_up}",
            "",
            f"{protocol.FOLDS} folds by patient, pooled: every row is tested once by a model that has not seen its "
            "patient. In brackets 95 % intervals by bootstrap of patients. Forward in time: trained on the first five "
            "sevenths of the batches, tested on other patients of the later ones. Indented lines change one thing.",
            "",
            _HEAD,
            *rows,
            *([] if data.synthetic else [_PUBLISHED]),
            "",
            f"Reproduce: `readmission evaluate --report evaluation.md --family {family} --seeds {seeds}`.",
            "",
        ]
    )


def _cell(found: Interval) -> str:
    return f"{found.value:.4f} [{found.low:.3f}, {found.high:.3f}]"

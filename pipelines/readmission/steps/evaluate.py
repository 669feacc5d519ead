"""Reproduce the published table: patient-grouped folds, forward in time, learning curve, ablations, references."""

import json
import logging
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from readmission import card, evaluation, pictures, protocol, snapshots, tracking
from readmission.evaluation import Interval, Scored
from readmission.settings import Settings
from readmission.snapshots import Snapshot

log = logging.getLogger(__name__)

Lines = dict[str, dict[str, Interval]]
_SHOWN = ("roc_auc_30", "pr_auc_30", "ece_30", "accuracy", "f1_macro")
_HEAD = "| what | ROC-AUC <30 | PR-AUC <30 | ECE | accuracy | macro F1 |\n|---|---|---|---|---|---|"
_PUBLISHED = "| published results without leaks (range) | 0.65 to 0.684 | 0.19 to 0.235 | | | |"


def run(
    settings: Settings,
    *,
    report: Annotated[
        Path | None, typer.Option(help="Write the report here (.md), with .html, .json and a picture beside it.")
    ] = None,
    family: Annotated[str, typer.Option(help="The family that is served.")] = "lightgbm",
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions of the folds for the headline.")] = 3,
    quick: Annotated[bool, typer.Option(help="Leave out the curve, the ablations and the references.")] = False,
) -> Lines:
    """Reproduce the published table: patient-grouped folds pooled, forward in time, ablations, with intervals.

    Three folds by patient, every row tested once by a model that has not seen its patient; forward in time
    trains on the first five sevenths of the batches and tests the later ones. Some ten minutes on two cores.

    Returns:
        metrics with intervals by line of the table.

    Raises:
        UserError: there is no clean data.
    """
    began, code = time.perf_counter(), tracking.code_version(settings)
    client = tracking.connect(settings)
    data = snapshots.find(settings)
    table = protocol.Table.of(data.frame())
    lines: Lines = {}
    for label, scored in _scores(table, family, settings.seed, seeds, quick):
        lines[label] = evaluation.intervals(scored, 200, settings.seed)
        log.info("%.0f s, %s: ROC-AUC %s", time.perf_counter() - began, label.strip(), lines[label]["roc_auc_30"])
    minutes = (time.perf_counter() - began) / 60
    text = _render(settings, data, table, family, seeds, lines, minutes, code)
    picture = pictures.bars(
        {label.strip(): found["roc_auc_30"].value for label, found in lines.items()},
        [(found["roc_auc_30"].low, found["roc_auc_30"].high) for found in lines.values()],
        "ROC-AUC for readmission within 30 days, 95 % interval",
        "how good the method is",
    )
    numbers = {label.strip(): {n: vars(found[n]) for n in found} for label, found in lines.items()}
    told = {
        "evaluation.md": text,
        "evaluation.html": card.html(text, "How good the method is"),
        "evaluation.json": json.dumps(numbers, indent=2),
    }
    tags = {"step": "evaluate", "data_sha256": data.sha256, "git_sha": code}
    with tracking.run(client, settings, "evaluate", tags) as run_id:
        headline = next(iter(lines.values()))
        tracking.log_run(client, run_id, metrics={f"pooled_{n}": headline[n].value for n in _SHOWN})
        tracking.log_files(client, run_id, {**told, "evaluation.png": picture})
    if report:
        for name, content in told.items():
            report.with_suffix(Path(name).suffix).write_text(content)
        picture.savefig(report.with_suffix(".png"))
    typer.echo(text)
    return lines


def _scores(table: protocol.Table, family: str, seed: int, seeds: int, quick: bool) -> Iterator[tuple[str, Scored]]:
    """Yield every line's label and rows; an indented line changes one thing of the one above."""
    names = protocol.ABLATIONS["served features"]
    base = protocol.pooled(table, family, names, seed)
    yield f"{family}, as served, folds pooled", base
    for repetition in range(1, seeds):
        yield f"  folds of seed {seed + repetition}", protocol.pooled(table, family, names, seed + repetition)
    yield "  classes weighted for macro F1, weights chosen on the other folds", protocol.weighted_classes(base, seed)
    yield f"{family}, as served, forward in time", protocol.ahead(table, family, names, seed)
    yield "  new patients alone", protocol.unseen(table, family, names, seed)
    if quick:
        return
    yield "  without causal history", protocol.ahead(table, family, protocol.ABLATIONS["without causal history"], seed)
    for count in range(1, len(np.unique(table.batches))):
        yield f"{family}, trained on {count} of the batches", protocol.growing(table, family, names, seed, count)
    for label, chosen in list(protocol.ABLATIONS.items())[1:]:
        yield f"{family}, {label}", protocol.pooled(table, family, chosen, seed)
    yield "logistic regression", protocol.pooled(table, "logistic_regression", names, seed)
    members = {one: protocol.pooled(table, one, names, seed) for one in protocol.ENSEMBLE if one != family} | {
        family: base
    }
    for one in sorted(members.keys() - {family}):
        yield one.replace("_", " "), members[one]
    if (cat := protocol.catboost(table, names, seed)) is not None:
        yield "CatBoost, not served", cat
    yield "ensemble of four, not served", protocol.ensemble(members.__getitem__)
    ahead = partial(protocol.ahead, table, names=names, seed=seed)
    yield "  forward in time", protocol.ensemble(ahead)


def _render(
    settings: Settings,
    data: Snapshot,
    table: protocol.Table,
    family: str,
    seeds: int,
    lines: Lines,
    minutes: float,
    code: str,
) -> str:
    rows = [f"| {label} | " + " | ".join(_cell(found[n]) for n in _SHOWN) + " |" for label, found in lines.items()]
    made_up = " **The data is SYNTHETIC: the figures say nothing.**" if snapshots.synthetic(settings, data) else ""
    return "\n".join(
        [
            "# How good the method is",
            "",
            f"{len(table.y):,} encounters of {len(np.unique(table.patients)):,} patients, batches "
            f"{data.batches[0]}-{data.batches[-1]}, data {data.sha256[:12]}, "
            f"code {code[:12]}, seed {settings.seed}, "
            f"{seeds} repetitions of the folds, {minutes:.0f} minutes.{made_up}",
            "",
            f"{protocol.FOLDS} folds by patient, pooled: every row is tested once by a model that has not seen its "
            "patient. In brackets 95 % intervals by bootstrap of patients. Forward in time: trained on the first five "
            "sevenths of the batches, tested on other patients of the later ones. Accuracy: of the most probable "
            "class. Indented lines change one thing.",
            "",
            _HEAD,
            *rows,
            *([] if made_up else [_PUBLISHED]),
            "",
            f"Reproduce: `readmission evaluate --report evaluation.md --family {family} --seeds {seeds}`.",
            "",
        ]
    )


def _cell(found: Interval) -> str:
    return f"{found.value:.4f} [{found.low:.3f}, {found.high:.3f}]"

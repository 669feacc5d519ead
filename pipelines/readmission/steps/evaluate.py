"""Evaluation of the method: patient-grouped folds, forward in time, learning curve, ablations, references."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from readmission import contract, models
from readmission.data import snapshots
from readmission.data.snapshots import Snapshot
from readmission.evaluation import (
    method_report,
    method_table,
    metrics,
    newest_batches,
    protocols,
    reference_models,
    score_comparison,
)
from readmission.evaluation.method_table import CHANGES, SHOWN
from readmission.evaluation.metrics import Array, Interval, Scored
from readmission.features.known_scores import SCORES
from readmission.registry import lineage, tracking
from readmission.settings import Settings

log = logging.getLogger(__name__)

Lines = dict[str, dict[str, Interval]]
#: All rows by the number of the first batches that were learned.
Grown = dict[int, Scored]
Wait = Callable[[], Scored]
#: Folds of a model that learns from 90 % of the patients, as near to a fit on all as can be measured.
_MANY_FOLDS = 10


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
    """Reproduce the published table: patient-grouped folds, forward in time and ablations, with intervals.

    Every row is tested once, by a model of three folds that has not seen its patient. Forward in time trains on the
    first five sevenths of the batches and tests the later ones. Each line is logged when it is done.

    Returns:
        Metrics with intervals, by line of the table.

    Raises:
        UserError: There is no clean data.
    """
    began, code = time.perf_counter(), lineage.code_version()
    client = tracking.connect(settings)
    data = snapshots.find(settings)
    frame = data.frame()
    table, points = protocols.EncodedRows.of(frame), score_comparison.score_frame(frame)
    lines, grown = _measure(table, points, family, settings.seed, seeds, quick)
    minutes = (time.perf_counter() - began) / 60
    text = _render(settings, data, table, family, seeds, lines, grown, minutes, code)
    files = method_report.files(text, lines)
    tags = {"step": "evaluate", "data_sha256": data.sha256, **lineage.tags(settings)}
    with tracking.run(client, settings, "evaluate", tags) as run_id:
        headline = next(iter(lines.values()))
        tracking.log_run(client, run_id, metrics={f"pooled_{n}": headline[n].value for n in SHOWN})
        tracking.log_files(client, run_id, files)
    if report:
        method_report.write(report, files)
    typer.echo(text)
    return lines


def _measure(
    table: protocols.EncodedRows, points: Mapping[str, Array], family: str, seed: int, seeds: int, quick: bool
) -> tuple[Lines, Grown]:
    """Return every line of the table, and the rows by how many of the first batches were learned.

    The fits run on one core each, beside the intervals of earlier lines.
    """
    began, measured, grown = time.perf_counter(), Lines(), Grown()
    count = len(np.unique(table.batches))
    sizes = {_grown(family, size): size for size in range(2, count)} | {_pooled(family): count}
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        lines = [*_scores(pool, table, family, seed, seeds, quick), *_known_scores(table, points)]
        base: Scored | None = None
        for number, (label, wait) in enumerate(lines, 1):
            scored = wait()
            measured[label] = metrics.intervals(scored, 200, seed)
            if label in sizes:
                grown[sizes[label]] = scored
            if not label.startswith(" "):
                base = scored
            elif base and np.array_equal(base.patients, scored.patients):
                measured[label] |= {n: metrics.compare(scored, base, m, 200, seed) for n, m in CHANGES.items()}
            took, headline = time.perf_counter() - began, measured[label]["roc_auc_30"]
            log.info("%d of %d after %.0f s, %s: ROC-AUC %s", number, len(lines), took, label.strip(), headline)
    finally:
        pool.shutdown(cancel_futures=True)
    return measured, grown


def _pooled(family: str) -> str:
    return f"{family}, as served, folds pooled"


def _grown(family: str, batches: int) -> str:
    return f"{family}, trained on {batches} of the batches"


def _scores(
    pool: Executor, table: protocols.EncodedRows, family: str, seed: int, seeds: int, quick: bool
) -> Iterator[tuple[str, Wait]]:
    """Start every line's fits; yield its label and a function that waits for its rows.

    An indented line changes one thing of the line above it.
    """
    names = protocols.ABLATIONS["served features"]

    def fit(
        protocol: Callable[..., Scored], learner: protocols.Learner, features: Sequence[str] = names, *more: int
    ) -> Wait:
        return pool.submit(protocol, table, learner, features, *(more or (seed,))).result

    base = fit(protocols.pooled, family)
    yield _pooled(family), base
    if not quick:
        many = fit(protocols.pooled, family, names, seed, _MANY_FOLDS)
        yield f"  {_MANY_FOLDS} folds: trained on 90 % of the patients", many
    for other in range(seed + 1, seed + seeds):
        yield f"  folds of seed {other}", fit(protocols.pooled, family, names, other)
    weighted = "  classes weighted for macro F1, weights chosen on the other folds"
    yield weighted, lambda: protocols.weighted_classes(base(), seed)
    yield f"{family}, as served, forward in time", fit(protocols.ahead, family)
    yield "  new patients alone", fit(protocols.unseen, family)
    if quick:
        return
    yield "  without causal history", fit(protocols.ahead, family, protocols.ABLATIONS["without causal history"])
    yield from _recent(fit, family, names, seed)
    for count in range(1, len(np.unique(table.batches))):
        yield _grown(family, count), fit(protocols.growing, family, names, seed, count)
    for label, features in list(protocols.ABLATIONS.items())[1:]:
        yield f"{family}, {label}", fit(protocols.pooled, family, features)
    for name, other_family in models.FAMILIES.items():
        if other_family.compared and name != family:
            yield name.replace("_", " "), fit(protocols.pooled, name)
    if reference_models.catboost(seed):
        yield "CatBoost, not served", fit(protocols.pooled, partial(reference_models.catboost, seed))
    yield from _ensemble(fit, names, seed)


def _recent(fit: Callable[..., Wait], family: str, names: Sequence[str], seed: int) -> Iterator[tuple[str, Wait]]:
    """Start the fits that forget the past, forward in time; yield their lines."""
    for batches in (4, 3, 2):
        yield f"  trained on its newest {batches} batches", fit(protocols.recent, family, names, seed, batches)
    for batches in (4, 2, 1):
        label = f"  rows count half after {batches} batch{'es' * (batches > 1)}"
        yield label, fit(protocols.recent, family, names, seed, 0, batches)


def _known_scores(table: protocols.EncodedRows, points: Mapping[str, Array]) -> Iterator[tuple[str, Wait]]:
    """Yield the lines of the scores that clinicians know, on the same rows."""
    blank = Scored(table.y, np.zeros((len(table.y), len(contract.CLASSES))), table.patients)
    for name, score in SCORES.items():
        yield score.label, partial(score_comparison.as_scored, blank, points[name])


def _ensemble(fit: Callable[..., Wait], names: Sequence[str], seed: int) -> Iterator[tuple[str, Wait]]:
    """Start the reference ensemble's fits; yield its lines and those of its members."""
    builders = {label: partial(build, tuple(names), seed) for label, build in reference_models.MEMBERS.items()}

    def average(members: Iterable[Wait]) -> Scored:
        return reference_models.average([member() for member in members])

    pooled = {label: fit(protocols.pooled, build) for label, build in builders.items()}
    ahead = [fit(protocols.ahead, build) for build in builders.values()]
    yield "reference ensemble, not served", partial(average, pooled.values())
    for label, member in pooled.items():
        yield f"  its {label} alone", member
    yield "  forward in time", partial(average, ahead)


def _render(
    settings: Settings,
    data: Snapshot,
    table: protocols.EncodedRows,
    family: str,
    seeds: int,
    lines: Lines,
    grown: Grown,
    minutes: float,
    code: str,
) -> str:
    scores = {score.label: score.limits for score in SCORES.values()}
    warning = " **The data is SYNTHETIC: the figures say nothing.**" if snapshots.is_synthetic(settings, data) else ""
    return "\n".join(
        [
            "# How good the method is",
            "",
            f"{len(table.y):,} encounters of {len(np.unique(table.patients)):,} patients, batches "
            f"{data.batches[0]}-{data.batches[-1]}, data {data.sha256[:12]}, "
            f"code {code}, seed {settings.seed}, "
            f"{seeds} repetitions of the folds, {minutes:.0f} minutes.{warning}",
            "",
            f"{protocols.FOLDS} folds by patient, pooled: every row is tested once by a model that has not seen its "
            "patient. In brackets 95 % intervals by bootstrap of patients. Forward in time: trained on the first five "
            "sevenths of the batches, tested on other patients of the later ones. Accuracy: of the most probable "
            "class. Indented lines change one thing of the line above them; the change is paired, on the same rows.",
            "",
            *method_table.markdown(lines, set(scores), published=not warning),
            "",
            *newest_batches.markdown(grown, table.batches, settings.seed),
            "",
            *(f"- {label}: {limits}" for label, limits in scores.items()),
            "",
            f"Reproduce: `readmission evaluate --report evaluation.md --family {family} --seeds {seeds}`.",
            "",
        ]
    )

"""Train model families on the clean batches, each an MLflow run and a row of training.runs."""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer
from mlflow.tracking import MlflowClient

from readmission import contract, engine, models, tracing
from readmission.errors import RefusalError
from readmission.evaluation import plots
from readmission.features import encoding
from readmission.registry import descriptions, lineage, runs, tracking
from readmission.registry.locks import lock_training
from readmission.registry.runs import TrainedModel, TrainingKey
from readmission.settings import Settings
from readmission.training import dask, dataset, fitting
from readmission.training.dataset import Data
from readmission.training.fitting import FittedFamily

log = logging.getLogger(__name__)


def run(
    settings: Settings,
    *,
    families: Annotated[
        str, typer.Option("--models", help=f"Families, separated by commas: {', '.join(models.FAMILIES)}. [all]")
    ] = "",
    batch_up_to: Annotated[int | None, typer.Option(help="Use the batches up to this one. [all]")] = None,
    each_batch: Annotated[
        bool, typer.Option(help="Train on batch 1, on 1-2, on 1-3 and so on: the learning curve.")
    ] = False,
    again: Annotated[bool, typer.Option(help="Also train what was trained on this data by this code.")] = False,
    searched: Annotated[
        bool, typer.Option(help="Use the best parameters of `readmission search`, not the defaults; implies --again.")
    ] = False,
) -> dict[str, str]:
    """Train model families on the clean batches; each is a run in MLflow and a row of training.runs.

    A family that was trained on the same data, seed and code already is left alone. Nothing is promoted.

    Returns:
        Run id by family, of the last snapshot.

    Raises:
        RefusalError: A family is not known or, with --searched, was not searched; or there is no clean data.
    """
    chosen = _families(families, settings.engine)
    client = tracking.connect(settings)
    with _loader(settings) as load:
        whole = load(batch_up_to)
        if not each_batch:
            best = _searched(settings, whole, chosen) if searched else {}
            return train(settings, client, whole, chosen, again=again or searched, params=best)
        made: dict[str, str] = {}
        for batch in whole.batches:
            made = train(settings, client, load(batch), chosen, again=again)
    _learning_curve(settings, client, made)
    return made


@contextlib.contextmanager
def _loader(settings: Settings) -> Iterator[Callable[[int | None], Data]]:
    """Give what reads the batches up to one: into this process, or onto the workers of a cluster that stays open."""
    if settings.engine == "local":
        yield partial(dataset.load, settings)
        return
    with engine.cluster(settings) as workers:
        yield partial(dask.load, settings, workers)


def _searched(settings: Settings, data: Data, families: list[str]) -> dict[str, dict[str, object]]:
    from readmission.training import studies  # a second to import: only for those who use it

    code = lineage.code_version()
    return {family: studies.best(settings, data, family, code) for family in families}


def train(
    settings: Settings,
    client: MlflowClient,
    data: Data,
    families: list[str],
    *,
    again: bool,
    params: Mapping[str, Mapping[str, object]] | None = None,
) -> dict[str, str]:
    """Train the wanted families on one snapshot, with parameters by family; return run id by family."""
    key = runs.current_key(settings, data.sha256)
    with lock_training(settings, families) as is_idle:
        tracking.end_lost_runs(client, settings, is_idle)
        done = {} if again else runs.trained(settings, key)
        todo = [family for family in families if family not in done]
        if len(todo) < len(families):
            log.info("trained already on this data by this code: %s", ", ".join(sorted(set(families) - set(todo))))
        made = _train_all(settings, client, data, key, todo, params or {}) if todo else {}
    return {family: made.get(family) or done[family] for family in families}


def _train_all(
    settings: Settings,
    client: MlflowClient,
    data: Data,
    key: TrainingKey,
    families: list[str],
    params: Mapping[str, Mapping[str, object]],
) -> dict[str, str]:
    """Train families in parallel below one run of MLflow; return run id by family."""
    began = time.perf_counter()
    span, rows = _span(data), int(data.counts["size"].sum())
    log.info("training %s on %s: %d rows%s", ", ".join(families), span, rows, _made_up(data))
    tracing.count(rows=rows, families=len(families))
    tags = _tags(settings, data)
    with (
        tracking.run(client, settings, f"train {span}", {"families": ",".join(families), **tags}) as parent,
        ThreadPoolExecutor(settings.training.jobs or os.cpu_count() or 1) as pool,
    ):
        child = {"mlflow.parentRunId": parent, **tags}
        futures = {f: pool.submit(_train_one, settings, client, data, key, f, child, params.get(f)) for f in families}
        made = {family: future.result() for family, future in futures.items()}
        for run_id in (parent, *made.values()):
            _log_data(client, run_id, data)
        descriptions.log_best(client, parent, made, "val_roc_auc_30")
    log.info("trained %d families in %.1f s", len(families), time.perf_counter() - began)
    return made


def _train_one(
    settings: Settings,
    client: MlflowClient,
    data: Data,
    key: TrainingKey,
    family: str,
    tags: dict[str, str],
    hyperparameters: Mapping[str, object] | None = None,
) -> str:
    fit: Callable[..., FittedFamily] = dask.fit if settings.engine == "dask" else fitting.fit
    candidate = fit(data, family, settings.seed, hyperparameters)
    params = {
        "family": family,
        "seed": settings.seed,
        "batch_first": data.batches[0],
        "batch_last": data.batches[-1],
        "rows_train": int(data.counts.loc["train", "size"]),
        "engine": settings.engine,
        "data_sha256": data.sha256,
        **candidate.params,
    }
    with tracking.run(client, settings, family, {"family": family, **tags}) as run_id:
        tracking.log_run(client, run_id, params=params, metrics=candidate.metrics)
        tracking.log_files(client, run_id, fitting.draw_plots(candidate))
        uri = tracking.log_pipeline(candidate.pipeline, run_id, encoding.example())
        tracking.log_run(client, run_id, tags={"model_uri": uri})
        model = TrainedModel(
            run_id=run_id,
            family=family,
            first_batch=data.batches[0],
            last_batch=data.batches[-1],
            synthetic=data.synthetic,
            icd=" ".join(data.icd),
            revision=tags.get("git_sha"),
            image=settings.image,
            metrics=dict(candidate.metrics),
            **asdict(key),
        )
        runs.record(settings, model)
    return run_id


def _tags(settings: Settings, data: Data) -> dict[str, str]:
    return {
        "step": "train",
        **lineage.tags(settings),
        "data_sha256": data.sha256,
        "batches": f"{data.batches[0]}-{data.batches[-1]}",
        "synthetic": str(data.synthetic).lower(),
        "icd": " ".join(data.icd),
        "contract_version": str(contract.CONTRACT_VERSION),
        **descriptions.note_of_training(_span(data), int(data.counts["size"].sum()), data.synthetic),
    }


def _span(data: Data) -> str:
    return f"batches {data.batches[0]}-{data.batches[-1]}"


def _log_data(client: MlflowClient, run_id: str, data: Data) -> None:
    rows = {str(split): int(size) for split, size in data.counts["size"].items()}
    descriptions.log_data(client, run_id, name=_span(data), sha256=data.sha256, batches=data.batches, rows=rows)


def _made_up(data: Data) -> str:
    return " of SYNTHETIC data" if data.synthetic else ""


def _families(text: str, where: str) -> list[str]:
    allowed = [name for name, family in models.FAMILIES.items() if family.on_dask or where == "local"]
    names = [name.strip() for name in text.split(",") if name.strip()] or allowed
    for name in names:
        if name not in models.FAMILIES:
            raise RefusalError(f"--models: {name!r} is not a family; allowed: {', '.join(models.FAMILIES)}.")
        if name not in allowed:
            raise RefusalError(
                f"--models: {name} cannot be trained on Dask; allowed with READMISSION_ENGINE=dask: "
                f"{', '.join(allowed)}. READMISSION_ENGINE=local trains every family, if one machine holds the data."
            )
    return sorted(set(names), key=lambda name: -models.FAMILIES[name].cost)


def _learning_curve(settings: Settings, client: MlflowClient, last: dict[str, str]) -> None:
    """Show test ROC-AUC by number of batches as a table and, in the last parent run, as a picture."""
    table = runs.learning_curve(settings, lineage.code_version(), list(last))
    wide = table.pivot(index="family", columns="batches", values="test_roc_auc_30").round(4)
    typer.echo(f"Test ROC-AUC for <30 days by batches trained on:\n{wide.to_string()}")
    run_id = next(iter(last.values()))
    parent = client.get_run(run_id).data.tags.get("mlflow.parentRunId", run_id)
    curve = plots.learning_curve(table, "test_roc_auc_30", "learning curve, test split of the batches so far")
    tracking.log_files(client, parent, {"learning_curve.png": curve, "learning_curve.csv": table.to_csv(index=False)})

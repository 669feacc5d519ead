"""Train model families on the clean batches, each an MLflow run and a row of training.experiments."""

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated

import pandas as pd
import typer
from mlflow.tracking import MlflowClient

from readmission import contract, engine, models, tracing
from readmission.errors import UserError
from readmission.evaluation import plots
from readmission.features import encoding
from readmission.registry import tracking
from readmission.settings import Settings
from readmission.stores import postgres
from readmission.training import dask, dataset, fitting
from readmission.training.dataset import Data
from readmission.training.fitting import FittedFamily

log = logging.getLogger(__name__)


def run(
    settings: Settings,
    *,
    families: Annotated[
        str, typer.Option("--models", help=f"Families, with commas between: {', '.join(models.FAMILIES)}. [all]")
    ] = "",
    batch_up_to: Annotated[int | None, typer.Option(help="Use the batches up to this one. [all]")] = None,
    each_batch: Annotated[
        bool, typer.Option(help="Train on batch 1, on 1-2, on 1-3 and so on: the learning curve.")
    ] = False,
    again: Annotated[bool, typer.Option(help="Train also what was trained on this data by this code.")] = False,
    searched: Annotated[
        bool, typer.Option(help="With the best parameters of `readmission search`, not the defaults; implies --again.")
    ] = False,
) -> dict[str, str]:
    """Train model families on the clean batches; each is a run in MLflow and a row of training.experiments.

    A family that was trained on the same data, seed and code already is left alone. Nothing is promoted.

    Returns:
        run id by family, of the last snapshot.

    Raises:
        UserError: a family is not known or, with --searched, was not searched; or there is no clean data.
    """
    chosen = _families(families, settings.engine)
    client = tracking.connect(settings)
    with _loader(settings) as load:
        whole = load(batch_up_to)
        if not each_batch:
            best = _searched(settings, whole, chosen) if searched else {}
            return train(settings, client, whole, chosen, again=again or searched, params=best)
        runs: dict[str, str] = {}
        for batch in whole.batches:
            runs = train(settings, client, load(batch), chosen, again=again)
    _learning_curve(settings, client, runs)
    return runs


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

    return {family: studies.best(settings, data, family) for family in families}


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
    code = tracking.code_version(settings)
    done = {} if again else _done(settings, data, code)
    todo = [family for family in families if family not in done]
    if len(todo) < len(families):
        log.info("trained already on this data by this code: %s", ", ".join(sorted(set(families) - set(todo))))
    if not todo:
        return {family: done[family] for family in families}
    began = time.perf_counter()
    span, rows = f"batches {data.batches[0]}-{data.batches[-1]}", int(data.counts["size"].sum())
    log.info("training %s on %s: %d rows%s", ", ".join(todo), span, rows, _made_up(data))
    tracing.count(rows=rows, families=len(todo))
    tags = _tags(data, code)
    with (
        tracking.run(client, settings, f"train {span}", {"step": "train", **tags}) as parent,
        ThreadPoolExecutor(settings.training.jobs or os.cpu_count() or 1) as pool,
    ):
        child = {"mlflow.parentRunId": parent, **tags}
        futures = {f: pool.submit(_train_one, settings, client, data, f, child, (params or {}).get(f)) for f in todo}
        runs = {family: future.result() for family, future in futures.items()}
    log.info("trained %d families in %.1f s", len(todo), time.perf_counter() - began)
    return {family: runs.get(family) or done[family] for family in families}


def _train_one(
    settings: Settings,
    client: MlflowClient,
    data: Data,
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
        _record(settings, data, candidate, run_id, tags["git_sha"])
    return run_id


def _tags(data: Data, code: str) -> dict[str, str]:
    return {
        "git_sha": code,
        "data_sha256": data.sha256,
        "batches": f"{data.batches[0]}-{data.batches[-1]}",
        "synthetic": str(data.synthetic).lower(),
        "icd": " ".join(data.icd),
        "contract_version": str(contract.CONTRACT_VERSION),
    }


def _made_up(data: Data) -> str:
    return " of SYNTHETIC data" if data.synthetic else ""


def _families(text: str, where: str) -> list[str]:
    allowed = [name for name, family in models.FAMILIES.items() if family.on_dask or where == "local"]
    names = [name.strip() for name in text.split(",") if name.strip()] or allowed
    for name in names:
        if name not in models.FAMILIES:
            raise UserError(f"--models: {name!r} is not a family; allowed: {', '.join(models.FAMILIES)}.")
        if name not in allowed:
            raise UserError(
                f"--models: {name} cannot be trained on Dask; allowed with READMISSION_ENGINE=dask: "
                f"{', '.join(allowed)}. READMISSION_ENGINE=local trains every family, if one machine holds the data."
            )
    return sorted(set(names), key=lambda name: -models.FAMILIES[name].cost)


def _done(settings: Settings, data: Data, code: str) -> dict[str, str]:
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(
            "SELECT family, run_id FROM training.experiments WHERE data_sha256 = %s AND seed = %s AND git_sha = %s",
            (data.sha256, settings.seed, code),
        )
        return dict(cursor.fetchall())


def _record(settings: Settings, data: Data, candidate: FittedFamily, run_id: str, code: str) -> None:
    metrics = {name: value for name, value in candidate.metrics.items() if value == value}
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(
            "INSERT INTO training.experiments"
            " (run_id, family, first_batch, last_batch, data_sha256, synthetic, icd, seed, git_sha, metrics)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (family, data_sha256, seed, git_sha) DO UPDATE SET run_id = excluded.run_id,"
            " metrics = excluded.metrics, trained_at = now()",
            (
                run_id,
                candidate.family,
                data.batches[0],
                data.batches[-1],
                data.sha256,
                data.synthetic,
                " ".join(data.icd),
                settings.seed,
                code,
                json.dumps(metrics),
            ),
        )


def _learning_curve(settings: Settings, client: MlflowClient, last: dict[str, str]) -> None:
    """Show test ROC-AUC by number of batches as a table and, in the last parent run, as a picture."""
    code = tracking.code_version(settings)
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(
            "SELECT family, last_batch, (metrics ->> 'test_roc_auc_30')::float8, (metrics ->> 'test_accuracy')::float8"
            " FROM training.experiments WHERE git_sha = %s AND seed = %s AND family = ANY(%s) ORDER BY 1, 2",
            (code, settings.seed, list(last)),
        )
        table = pd.DataFrame(cursor.fetchall(), columns=["family", "batches", "test_roc_auc_30", "test_accuracy"])
    wide = table.pivot(index="family", columns="batches", values="test_roc_auc_30").round(4)
    typer.echo(f"Test ROC-AUC for <30 days by batches trained on:\n{wide.to_string()}")
    run_id = next(iter(last.values()))
    parent = client.get_run(run_id).data.tags.get("mlflow.parentRunId", run_id)
    curve = plots.learning_curve(table, "test_roc_auc_30", "learning curve, test split of the batches so far")
    tracking.log_files(client, parent, {"learning_curve.png": curve, "learning_curve.csv": table.to_csv(index=False)})

"""Search for the parameters of one family; the study is stored in Postgres and can be resumed."""

import logging
from typing import Annotated

import optuna
import typer
from mlflow.tracking import MlflowClient
from optuna.trial import FrozenTrial

from readmission import models
from readmission.errors import RefusalError
from readmission.evaluation import plots
from readmission.registry import lineage, tracking
from readmission.settings import Settings
from readmission.training import dataset, search, studies
from readmission.training.dataset import Dataset

log = logging.getLogger(__name__)


def run(
    settings: Settings,
    *,
    family: Annotated[str, typer.Option(help=f"One of {', '.join(models.FAMILIES)}.")] = "lightgbm",
    trials: Annotated[int, typer.Option(min=1, help="Number of further trials to run.")] = 30,
    minutes: Annotated[float | None, typer.Option(min=0, help="Start no trial after this time. [no limit]")] = None,
    batch_up_to: Annotated[int | None, typer.Option(help="Use the batches up to this one. [all]")] = None,
) -> dict[str, object]:
    """Search for the best parameters of one family, by patient-grouped folds; a search resumes where it ended.

    The folds are of train and validation. The first trial is the defaults, which shows the gain. Nothing is trained
    for promotion: `readmission train --models FAMILY --searched` uses the best parameters.

    Returns:
        The best parameters. Empty if they are the defaults.

    Raises:
        RefusalError: There is no such family, or no clean data.
    """
    if family not in models.FAMILIES:
        raise RefusalError(f"--family: {family!r} is not a family; allowed: {', '.join(models.FAMILIES)}.")
    client = tracking.connect(settings)
    data = dataset.load(settings, batch_up_to)
    study = studies.open_study(settings, data, family, lineage.code_version())
    parent = _parent(settings, client, study, data, family)

    def record(study: optuna.Study, trial: FrozenTrial) -> None:
        _child(settings, client, parent, trial)
        log.info("trial %d %s: %s", trial.number, trial.state.name.lower(), trial.value)

    study.optimize(
        search.objective(data, family, settings.training.selection, settings.seed),
        n_trials=trials,
        timeout=None if minutes is None else 60 * minutes,
        callbacks=[record],
    )
    _log_result(settings, client, parent, study, family)
    return dict(study.best_params)


def _log_result(settings: Settings, client: MlflowClient, parent: str, study: optuna.Study, family: str) -> None:
    """Log the study's history and best parameters to its MLflow run, and print them."""
    table = search.trial_history(study)
    picture = plots.search_history(table, f"{family.replace('_', ' ')}: search, {settings.training.selection}")
    tracking.log_files(client, parent, {"search_history.png": picture, "search_history.csv": table.to_csv(index=False)})
    tags = {f"best.{name}": str(value) for name, value in study.best_params.items()}
    tracking.log_run(client, parent, metrics={"best": study.best_value, "trials": float(len(table))}, tags=tags)
    defaults = table.loc[table["defaults"] & ~table["pruned"], "value"].tolist()
    typer.echo(
        f"{family}: best {study.best_value:.4f} of {len(table)} trials ({int(table['pruned'].sum())} pruned), "
        f"defaults {defaults[0] if defaults else float('nan'):.4f}\n{study.best_params or 'the defaults are best'}"
    )


def _parent(settings: Settings, client: MlflowClient, study: optuna.Study, data: Dataset, family: str) -> str:
    """Return the id of the study's MLflow run, which the first search creates."""
    if run_id := study.user_attrs.get("mlflow_run"):
        return str(run_id)
    tags = {
        "step": "search",
        "family": family,
        "study": study.study_name,
        "data_sha256": data.sha256,
        "synthetic": str(data.synthetic).lower(),
        **lineage.tags(settings),
    }
    with tracking.run(client, settings, f"search {family}", tags) as run_id:
        study.set_user_attr("mlflow_run", run_id)
    return run_id


def _child(settings: Settings, client: MlflowClient, parent: str, trial: FrozenTrial) -> None:
    tags = {"mlflow.parentRunId": parent, "step": "search", "state": trial.state.name.lower()}
    with tracking.run(client, settings, f"trial {trial.number}", tags) as run_id:
        metrics = {f"fold_{step}": value for step, value in trial.intermediate_values.items()}
        if trial.value is not None:
            metrics["value"] = trial.value
        tracking.log_run(client, run_id, params=trial.params, metrics=metrics)

"""What this system asks of MLflow."""

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import mlflow
import pandas as pd
from matplotlib.figure import Figure
from mlflow.entities import Metric, Param, RunTag
from mlflow.environment_variables import MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR, MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, Schema, TensorSpec
from sklearn.pipeline import Pipeline

from readmission import contract, models
from readmission.errors import RefusalError, UserError
from readmission.evaluation.gates import Verdict
from readmission.features import visits
from readmission.registry import descriptions, lineage
from readmission.registry.aliases import CHAMPION, RECORD, find_alias, find_champion
from readmission.registry.runs import TrainedModel
from readmission.settings import Settings

#: Deprecated by MLflow, but the word a user of the registry looks for; the alias is what everything reads.
STAGE = "Production"

log = logging.getLogger(__name__)


def connect(settings: Settings) -> MlflowClient:
    """Return a client of the settings' MLflow server, with the experiment made if needed.

    Raises:
        UserError: The server does not answer.
    """
    MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT.set(True)
    MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR.set(False)
    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="mlflow")
    warnings.filterwarnings("ignore", message=".*transition_model_version_stage.*")
    try:
        # Check the server first: MLflow's client retries for minutes.
        httpx.get(f"{settings.mlflow.tracking_uri}/health", timeout=10).raise_for_status()
        mlflow.set_tracking_uri(settings.mlflow.tracking_uri)
        mlflow.set_experiment(settings.mlflow.experiment)
    except (httpx.HTTPError, MlflowException) as error:
        problem = str(error).splitlines()[0]
        raise UserError(
            f"MLflow at {settings.mlflow.tracking_uri} cannot be used: {problem} (`readmission status`)"
        ) from error
    return MlflowClient(settings.mlflow.tracking_uri)


def signature() -> ModelSignature:
    """Return the typed frame, with history, as MLflow's signature; every column may be absent or missing."""
    inputs: list[ColSpec | TensorSpec] = [
        ColSpec("double" if c.is_number else "string", c.name, required=False) for c in contract.FEATURE_COLUMNS
    ]
    inputs += [ColSpec("double", name, required=False) for name in visits.HISTORY_NAMES]
    outputs: list[ColSpec | TensorSpec] = [ColSpec("double", name) for name in contract.CLASSES]
    return ModelSignature(Schema(inputs), Schema(outputs))


@contextlib.contextmanager
def run(client: MlflowClient, settings: Settings, name: str, tags: Mapping[str, str]) -> Iterator[str]:
    """Open a run and give its id; it ends FINISHED, or FAILED when something is raised."""
    experiment = mlflow.set_experiment(settings.mlflow.experiment).experiment_id
    descriptions.describe_experiment(client, experiment)
    shown = {**descriptions.origin(tags), **tags}
    run_id = str(client.create_run(experiment, run_name=name, tags=shown).info.run_id)
    try:
        yield run_id
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id)


def end_lost_runs(client: MlflowClient, settings: Settings, is_idle: Callable[[str], bool]) -> None:
    """End the training runs that a killed process left RUNNING, as KILLED.

    Args:
        client: MLflow server.
        settings: Experiment.
        is_idle: Whether no process trains a family at the moment (`locks.lock_training`).
    """
    experiment = mlflow.set_experiment(settings.mlflow.experiment).experiment_id
    for lost in client.search_runs([experiment], "attributes.status = 'RUNNING' AND tags.batches LIKE '%'"):
        tags = lost.data.tags
        families = tags.get("families") or tags.get("family") or ",".join(models.FAMILIES)
        # A run that ended after the search was running still had its lock then, so its state is read again.
        idle = all(is_idle(family) for family in families.split(","))
        if idle and client.get_run(lost.info.run_id).info.status == "RUNNING":
            client.set_terminated(lost.info.run_id, "KILLED")
            log.info("run %s (%s) was left running by a killed process; it is ended", lost.info.run_id, families)


def log_run(
    client: MlflowClient,
    run_id: str,
    *,
    params: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Log everything in one request; metrics that are not numbers are left out."""
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, 0, 0) for name, value in (metrics or {}).items() if value == value],
        params=[Param(name, str(value)) for name, value in (params or {}).items()],
        tags=[RunTag(name, value) for name, value in (tags or {}).items()],
    )


def log_files(client: MlflowClient, run_id: str, files: Mapping[str, Figure | str], folder: str = "") -> None:
    """Log pictures and texts as artifacts, by file name."""
    with tempfile.TemporaryDirectory() as directory:
        for name, content in files.items():
            path = Path(directory) / name
            if isinstance(content, str):
                path.write_text(content)
            else:
                content.savefig(path)
        client.log_artifacts(run_id, directory, folder or None)


def log_pipeline(pipeline: Pipeline, run_id: str, example: pd.DataFrame, name: str = "model") -> str:
    """Log a fitted Pipeline as a model of a run; return its URI."""
    with mlflow.start_run(run_id=run_id):
        info = mlflow.sklearn.log_model(
            pipeline,
            name=name,
            serialization_format="skops",
            skops_trusted_types=list(models.TRUSTED_TYPES),
            signature=signature(),
            input_example=example,
            pip_requirements=lineage.requirements(),
            pyfunc_predict_fn="predict_proba",
        )
    return str(info.model_uri)


def model_uri(client: MlflowClient, run_id: str) -> str:
    """Return the URI of the Pipeline that a run logged."""
    return str(client.get_run(run_id).data.tags["model_uri"])


def served_uri(client: MlflowClient, settings: Settings, run_id: str) -> str:
    """Return the URI of the Pipeline that the newest version of a run serves; without a version, of the one it logged.

    It may be another than the logged one: a fit on every patient.
    """
    versions = client.search_model_versions(f"name = '{settings.mlflow.model_name}' and run_id = '{run_id}'")
    newest = max(versions, key=lambda version: int(version.version), default=None)
    return str(newest.source) if newest else model_uri(client, run_id)


def load_pipeline(uri: str) -> Pipeline:
    """Load a logged Pipeline."""
    return mlflow.sklearn.load_model(uri)


def champion(client: MlflowClient, settings: Settings) -> Any | None:
    """Return MLflow's record of the version that carries the alias `champion`; None if there is none.

    Raises:
        RegistryError: MLflow does not answer.
    """
    version = find_champion(settings)
    return client.get_model_version(settings.mlflow.model_name, version) if version else None


def record_holder(client: MlflowClient, settings: Settings) -> Any | None:
    """Return MLflow's record of the best champion so far; None if no version carries the alias.

    Raises:
        RegistryError: MLflow does not answer.
    """
    version = find_alias(settings, RECORD)
    return client.get_model_version(settings.mlflow.model_name, version) if version else None


def set_record(client: MlflowClient, settings: Settings, version: str) -> None:
    """Let a version hold the record from now on."""
    client.set_registered_model_alias(settings.mlflow.model_name, RECORD, version)


def register(client: MlflowClient, settings: Settings, candidate: TrainedModel, uri: str, verdict: Verdict) -> str:
    """Register a Pipeline of a run, once, with its verdict; return the version."""
    descriptions.describe_model(client, settings)
    of_run = client.search_model_versions(f"name = '{settings.mlflow.model_name}' and run_id = '{candidate.run_id}'")
    versions = [version for version in of_run if version.source == uri]
    tags = {
        "family": candidate.family,
        "batches": candidate.batches,
        "data_sha256": candidate.data_sha256,
        "synthetic": str(candidate.synthetic).lower(),
        "gates": f"{sum(check.passed for check in verdict.checks)} of {len(verdict.checks)} passed",
    }
    description = f"{candidate.family}, batches {candidate.batches}\n\n```\n{verdict}\n```"
    made = (
        versions[0]
        if versions
        else client.create_model_version(
            settings.mlflow.model_name,
            uri,
            candidate.run_id,
            tags=tags,
            description=description,
            model_id=uri.removeprefix("models:/"),
        )
    )
    return str(made.version)


def family_of(client: MlflowClient, settings: Settings, version: str) -> str:
    """Return the family of a version.

    Raises:
        UserError: There is no such version.
    """
    try:
        family = client.get_model_version(settings.mlflow.model_name, version).tags.get("family", "unknown family")
    except MlflowException as error:
        raise RefusalError(f"Model {settings.mlflow.model_name} has no version {version!r}.") from error
    return str(family)


def set_champion(client: MlflowClient, settings: Settings, version: str) -> None:
    """Move stage word and alias to a version."""
    client.transition_model_version_stage(settings.mlflow.model_name, version, STAGE, archive_existing_versions=True)
    # Last: the alias is what the API follows.
    client.set_registered_model_alias(settings.mlflow.model_name, CHAMPION, version)

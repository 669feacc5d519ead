"""What MLflow shows a person: descriptions, the data of a run, and who ran what."""

import getpass
import json
from collections.abc import Mapping, Sequence

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from readmission.settings import Settings

#: MLflow keeps this many characters of a digest.
_DIGEST = 36
_NOTE = "mlflow.note.content"
_EXPERIMENT = (
    "Training, search and monitoring of the readmission model: patients with diabetes, three outcomes (NO, >30, <30 "
    "days). A run `train batches 1-n` holds one run for each family. Metrics begin with the split (`val_`, `test_`); "
    "those of the outcomes end with `NO`, `gt30` or `lt30`, and those that end with `_30` are about readmission within "
    "30 days."
)
_MODEL = (
    "Readmission of patients with diabetes. The version with the alias `champion` answers; `readmission promote` gives "
    "the alias after the gates, `readmission rollback` takes it back. Each version's description has the table of its "
    "gates, and its run has the model card. For research; not a medical device."
)


def describe_experiment(client: MlflowClient, experiment: str) -> None:
    """Describe the experiment, unless a person has described it."""
    if not client.get_experiment(experiment).tags.get(_NOTE):
        client.set_experiment_tag(experiment, _NOTE, _EXPERIMENT)


def describe_model(client: MlflowClient, settings: Settings) -> None:
    """Make the registered model if it is absent, and describe it, unless a person has described it."""
    name = settings.mlflow.model_name
    try:
        client.create_registered_model(name, description=_MODEL)
    except MlflowException:
        if not client.get_registered_model(name).description:
            client.update_registered_model(name, _MODEL)


def origin(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that MLflow shows as a run's source, user and commit.

    Args:
        tags: The run's own tags; `step` and `git_sha` are read.
    """
    shown = {"mlflow.source.type": "LOCAL", "mlflow.user": _user()}
    if step := tags.get("step"):
        shown["mlflow.source.name"] = f"readmission {step}"
    if commit := tags.get("git_sha"):
        shown["mlflow.source.git.commit"] = commit
    return shown


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "readmission"


def note_of_training(span: str, rows: int, synthetic: bool) -> dict[str, str]:
    """Return the tag that describes a training run."""
    made_up = " **The data is SYNTHETIC: the figures say nothing about patients.**" if synthetic else ""
    return {_NOTE: f"Trained on {span}: {rows:,} encounters, split by patient.{made_up}"}


def log_data(
    client: MlflowClient, run_id: str, *, name: str, sha256: str, batches: Sequence[int], rows: Mapping[str, int]
) -> None:
    """Log the snapshots that a run was trained on as MLflow's data set.

    Args:
        client: MLflow server.
        run_id: The run.
        name: Name of the data for a person.
        sha256: Hash of the snapshots' hashes, in hexadecimal digits.
        batches: Batches in order.
        rows: Encounters by split.
    """
    data = Dataset(
        name=name,
        digest=sha256[:_DIGEST],
        source_type="snapshots",
        source=json.dumps({"sha256": sha256, "batches": list(batches)}),
        profile=json.dumps({"num_rows": sum(rows.values()), **rows}),
    )
    client.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])


def log_best(client: MlflowClient, parent: str, made: Mapping[str, str], metric: str) -> None:
    """Copy the metrics of the best family to its parent, which is what the list of runs shows.

    Args:
        client: MLflow server.
        parent: Run of the whole training.
        made: Run by family.
        metric: Metric that decides; the highest is the best.
    """
    children = {family: client.get_run(run_id) for family, run_id in made.items()}
    best = max(children, key=lambda family: children[family].data.metrics.get(metric, float("-inf")))
    run = children[best]
    client.log_batch(
        parent,
        metrics=[Metric(name, value, 0, 0) for name, value in run.data.metrics.items()],
        tags=[RunTag("best_family", best), RunTag("best_run", run.info.run_id)],
    )

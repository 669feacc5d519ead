"""Delete for good what people deleted in MLflow: runs with their files, metrics and models.

MLflow only marks a run as deleted and keeps everything of it. `mlflow gc` removes what is marked, and would do so with
the run of a registered version too, which could then not be served, rolled back to or signed again. Here it stays.

This file imports nothing of its package: on a cluster the chart `mlflow` runs a copy of it in MLflow's image, which has
the database's password. `make generate` writes that copy.
"""

import argparse
import os
import sys
from typing import Any

import mlflow
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

_DAY_MS = 86_400_000


def collect(database: str, server: str, days: float) -> list[str]:
    """Delete what was marked as deleted some days ago; it may be killed and repeated at any time.

    Args:
        database: SQLAlchemy URL of MLflow's database. The API of MLflow has no way to delete a run for good.
        server: URL of the MLflow server, through which files are deleted.
        days: How long a deleted run can still be restored in MLflow.

    Returns:
        The runs that are gone.
    """
    mlflow.set_tracking_uri(server)
    client, store = MlflowClient(server), SqlAlchemyStore(database, "mlflow-artifacts:/")
    versions = _all(client.search_model_versions)
    kept = {str(version.run_id) for version in versions}
    kept |= {str(version.source).removeprefix("models:/") for version in versions}
    gone = []
    for run_id in store._get_deleted_runs(older_than=int(days * _DAY_MS)):
        info = store.get_run(run_id).info
        models = _all(
            client.search_logged_models,
            experiment_ids=[info.experiment_id],
            filter_string=f"source_run_id = '{run_id}'",
        )
        if kept & {run_id, *(model.model_id for model in models)}:
            continue
        for model in models:
            get_artifact_repository(model.artifact_location).delete_artifacts()
            store._hard_delete_logged_model(model.model_id)
        get_artifact_repository(info.artifact_uri).delete_artifacts()
        store._hard_delete_run(run_id)  # last: until then a repeated call finds it
        gone.append(run_id)
    return gone


def _all(search: Any, **arguments: Any) -> list[Any]:
    """Return every page of a search."""
    page = search(**arguments)
    entries = list(page)
    while page.token:
        page = search(**arguments, page_token=page.token)
        entries += page
    return entries


def main() -> None:
    """Run on a cluster: the database is MLFLOW_BACKEND_STORE_URI, the server MLFLOW_TRACKING_URI."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("days", type=float, help="how long a deleted run can still be restored")
    days = parser.parse_args().days
    gone = collect(os.environ["MLFLOW_BACKEND_STORE_URI"], os.environ["MLFLOW_TRACKING_URI"], days)
    sys.stdout.write(f"{len(gone)} runs that were deleted more than {days:g} days ago are gone\n")


if __name__ == "__main__":
    main()

"""Drop what is older than the retention settings allow."""

import typer

from readmission.privacy import retention
from readmission.registry.aliases import find_champion
from readmission.settings import Settings


def run(settings: Settings) -> list[str]:
    """Drop what is older than the retention settings allow, and record how many rows were dropped.

    Predictions and the access log go by whole months, so they may stay up to a month longer. Runs that were deleted in
    MLflow go where the password of its database is known; on a cluster a CronJob beside MLflow does that.

    Args:
        settings: Stores, and the retention of each place.

    Returns:
        The places that rows were dropped from; empty if there was nothing to do.

    Raises:
        RegistryError: MLflow does not answer, so the champion, whose scores stay, is not known.
    """
    dropped = retention.purge(settings, find_champion(settings))
    for name, count in dropped.items():
        typer.echo(f"{name}: {count} rows dropped")
    places = [name for name, count in dropped.items() if count]
    return [*places, "mlflow.runs"] if _collect_runs(settings) else places


def _collect_runs(settings: Settings) -> bool:
    """Delete the runs for good that were deleted in MLflow long ago; return whether there were any."""
    days = settings.privacy.deleted_runs_days
    if not days or settings.postgres.password_mlflow is None:
        return False
    from readmission.registry import garbage  # MLflow's store takes seconds to import

    gone = garbage.collect(settings.database_url("mlflow", "mlflow"), settings.mlflow.tracking_uri, days)
    typer.echo(f"mlflow.runs: {len(gone)} deleted runs dropped")
    return bool(gone)

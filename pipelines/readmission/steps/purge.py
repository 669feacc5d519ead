"""Drop what is older than the retention settings allow."""

import typer

from readmission.privacy import retention
from readmission.registry.aliases import find_champion
from readmission.settings import Settings


def run(settings: Settings) -> list[str]:
    """Drop what is older than the retention settings allow, and record how many rows were dropped.

    Predictions and the access log go by whole months, so they may stay up to a month longer.

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
    return [name for name, count in dropped.items() if count]

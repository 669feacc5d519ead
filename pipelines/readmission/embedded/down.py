"""`readmission down`: stop the embedded system."""

import shutil
from typing import Annotated

import typer

from readmission.embedded.supervisor import Supervisor
from readmission.settings import Settings


def run(
    settings: Settings,
    *,
    forget: Annotated[bool, typer.Option(help="Also delete all local state: data, models, secrets.")] = False,
) -> None:
    """Stop every part of the embedded system. Data, models and secrets are kept unless `--forget` deletes them."""
    was_running = stop(settings)
    typer.echo("Stopped." if was_running else "The system was not running.")
    if forget and settings.home.exists():
        shutil.rmtree(settings.home)
        typer.echo(f"Deleted {settings.home}.")


def stop(settings: Settings) -> bool:
    """Stop the parts and return whether any was running."""
    supervisor = Supervisor(settings)
    if not supervisor.running():
        return False
    supervisor.shutdown()
    return True

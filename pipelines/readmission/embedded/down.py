"""`readmission down`: stop the embedded system."""

import shutil
from typing import Annotated

import typer

from readmission.embedded.supervisor import Supervisor
from readmission.settings import Settings


def run(
    settings: Settings,
    *,
    forget: Annotated[bool, typer.Option(help="Also delete the state folder: data, models, secrets.")] = False,
) -> None:
    """Stop every part of the embedded system; nothing happens when none runs.

    The state stays, unless it is to be forgotten.
    """
    was_running = stop(settings)
    typer.echo("Stopped." if was_running else "Nothing was running.")
    if forget and settings.home.exists():
        shutil.rmtree(settings.home)
        typer.echo(f"Forgot {settings.home}.")


def stop(settings: Settings) -> bool:
    """Stop the parts; tell whether any ran."""
    supervisor = Supervisor(settings)
    if not supervisor.running():
        return False
    supervisor.shutdown()
    return True

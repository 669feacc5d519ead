"""Return to the champion before this one."""

import getpass
from typing import Annotated

import typer

from readmission.errors import UserError
from readmission.registry import ledger, tracking
from readmission.settings import Settings


def run(
    settings: Settings,
    *,
    to: Annotated[str, typer.Option(help="Version to return to. [the one that the champion replaced]")] = "",
    why: Annotated[str, typer.Option(help="The reason, for the audit table.")] = "",
    by: Annotated[str, typer.Option(help="Who decides. [the user of this process]")] = "",
) -> str:
    """Return to the champion before this one; the API follows within seconds.

    The decision is a row of training.promotions. Once more goes one further back.

    Returns:
        the version that is champion now.

    Raises:
        UserError: there is no champion, no earlier one, or no such version.
    """
    client = tracking.connect(settings)
    with ledger.lock_decisions(settings):
        current = tracking.champion(client, settings)
        if current is None:
            raise UserError("There is no champion to roll back from.")
        before = to or ledger.replaced_by(settings, str(current.version))
        if not before:
            raise UserError(f"Version {current.version} is the first champion: there is none before it.")
        family = tracking.set_champion(client, settings, before)
        reasons = [{"reason": why or "rolled back by command"}]
        ledger.record(settings, "rolled back", None, before, str(current.version), reasons, by or getpass.getuser())
        typer.echo(f"Version {before} ({family}) is champion again; version {current.version} is not any more.")
        return before

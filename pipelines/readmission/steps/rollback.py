"""Return to the champion before this one."""

import getpass
from typing import Annotated

import typer

from readmission.errors import RefusalError
from readmission.promotion.decisions import carry_out, decide
from readmission.registry import ledger, tracking
from readmission.registry.intents import Intent
from readmission.settings import Settings


def run(
    settings: Settings,
    *,
    to: Annotated[str, typer.Option(help="Version to return to. [the one that the champion replaced]")] = "",
    why: Annotated[str, typer.Option(help="The reason, for the ledger.")] = "",
    by: Annotated[str, typer.Option(help="Who decides. [the user of this process]")] = "",
) -> str:
    """Return to the previous champion; the API follows within seconds.

    The decision is a row of training.promotions. Once more goes one further back.

    Returns:
        Version that is champion now.

    Raises:
        RefusalError: There is no champion, no earlier one, or no such version.
    """
    client = tracking.connect(settings)
    with decide(settings):
        current = tracking.champion(client, settings)
        if current is None:
            raise RefusalError("There is no champion to roll back from.")
        before = to or ledger.replaced_by(settings, str(current.version))
        if not before:
            raise RefusalError(f"Version {current.version} is the first champion: there is none before it.")
        intent = Intent(
            decision="rolled back",
            version=before,
            replaced=str(current.version),
            reasons=[{"reason": why or "rolled back by command"}],
            who=by or getpass.getuser(),
        )
        family = carry_out(settings, client, intent)
        best = tracking.record_holder(client, settings)
        if best is not None and str(best.version) == str(current.version):
            tracking.set_record(client, settings, before)
        typer.echo(f"Version {before} ({family}) is champion again; version {current.version} is not any more.")
        return before

"""Make the best trained candidate the champion, if every gate allows it."""

import getpass
import logging
import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from mlflow.tracking import MlflowClient

from readmission import tracing
from readmission.errors import RefusalError
from readmission.evaluation import gates
from readmission.promotion.candidates import Judgement, find_candidates
from readmission.promotion.champion import Champion, find_champion, is_record
from readmission.promotion.compiled import SERVING
from readmission.promotion.decisions import carry_out, decide
from readmission.promotion.overrides import Overrides
from readmission.promotion.selection import find_candidate, first_passing
from readmission.registry import runs, tracking
from readmission.registry.custody import sign_candidate
from readmission.registry.intents import Intent
from readmission.settings import Settings
from readmission.training import dataset

log = logging.getLogger(__name__)


def run(
    settings: Settings,
    *,
    batch_up_to: Annotated[
        int | None, typer.Option(help="Judge on the batches up to this one. [the last trained on]")
    ] = None,
    run_id: Annotated[
        str, typer.Option(help="Promote the model of this run, as `readmission judge` names it, and no other.")
    ] = "",
    by: Annotated[str, typer.Option(help="Who decides, for the ledger. [the user of this process]")] = "",
    again: Annotated[
        bool, typer.Option(help="Allow a version to return that was rolled back from; needs --why.")
    ] = False,
    why: Annotated[str, typer.Option(help="The reason for --again or --waive, for the ledger.")] = "",
    waive: Annotated[
        str, typer.Option(help="Gates in doubt that a person waives, with commas between; needs --why.")
    ] = "",
) -> str:
    """Make the best trained candidate the champion, if every gate allows it.

    Candidates are the newest run of each family on the same data; the best on validation comes first, and the
    next when a gate stops it. Each decision is a row of training.promotions. The gates: gates.yaml.

    Returns:
        the version that is champion afterwards.

    Raises:
        RefusalError: nothing was trained on this data, no candidate passes and there is no champion, the one of
            --run-id does not pass, --again or --waive has no reason, or --waive names no gate.
    """
    if (again or waive) and not why:
        raise RefusalError(f"--{'again' if again else 'waive'} needs a reason: --why.")
    overrides = Overrides(who=by or getpass.getuser(), why=why, again=again, waived=_gate_names(settings, waive))
    client = tracking.connect(settings)
    with decide(settings):
        return _promote(settings, client, run_id, batch_up_to, overrides)


def _gate_names(settings: Settings, waive: str) -> tuple[str, ...]:
    """Return the gates to waive; an error in the file of gates or in a name shows before anything is computed."""
    allowed = [gate.name for gate in gates.read_gates(settings.training.gates)]
    names = tuple(filter(None, map(str.strip, waive.split(","))))
    if unknown := set(names) - set(allowed):
        raise RefusalError(f"--waive: {', '.join(sorted(unknown))} is no gate; allowed: {', '.join(allowed)}.")
    return names


def _promote(
    settings: Settings, client: MlflowClient, run_id: str, batch_up_to: int | None, overrides: Overrides
) -> str:
    """Promote the first candidate that passes, or the one of a run; return the version that is champion afterwards."""
    chosen = find_candidate(settings, run_id) if run_id else None
    # Not simply the newest data: a batch may have come in since the training that is to be judged.
    newest = chosen.last_batch if chosen else runs.newest_batch(settings)
    data = dataset.load(settings, batch_up_to or newest, held_out=True)
    candidates = [chosen] if chosen else find_candidates(settings, data)
    tracing.count(rows=int(data.counts["size"].sum()), candidates=len(candidates))
    with tempfile.TemporaryDirectory() as directory:
        champion = find_champion(client, settings, data, Path(directory))
    accept = partial(_accept, settings, client, champion, overrides)
    version = first_passing(settings, client, data, candidates, champion, overrides, accept)
    if chosen and version is None and champion and champion.run_id != chosen.run_id:
        raise RefusalError(f"Run {run_id} does not pass the gates; version {champion.version} stays champion.")
    # Without a champion `first_passing` has raised.
    return version or (champion.version if champion else "")


def _accept(
    settings: Settings,
    client: MlflowClient,
    champion: Champion | None,
    overrides: Overrides,
    judgement: Judgement,
    folder: Path,
) -> str:
    """Register a candidate with its compiled model and make it the champion; return its version."""
    candidate, verdict = judgement.candidate, judgement.verdict
    judged = tracking.model_uri(client, candidate.run_id)
    uri = judgement.refit.uri if judgement.refit else judged
    sign_candidate(settings, candidate, folder / SERVING, uri, judged, checks=verdict.as_data(), by=overrides.who)
    client.log_artifacts(candidate.run_id, str(folder))
    version = tracking.register(client, settings, candidate, uri, verdict)
    intent = Intent(
        decision="promoted",
        version=version,
        replaced=champion.version if champion else None,
        run_id=candidate.run_id,
        family=candidate.family,
        reasons=verdict.as_data(),
        who=overrides.who,
    )
    carry_out(settings, client, intent)
    if is_record(judgement.figures, champion):
        tracking.set_record(client, settings, version)
    log.info("version %s (%s) is champion", version, candidate.family)
    return version

"""Make the best trained candidate the champion, if every gate allows it."""

import getpass
import logging
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from mlflow.tracking import MlflowClient

from readmission import tracing
from readmission.errors import RefusalError
from readmission.evaluation import gates
from readmission.promotion.candidates import Judgement, find_candidates, judge
from readmission.promotion.champion import Champion, find_champion
from readmission.promotion.decisions import carry_out, decide
from readmission.promotion.overrides import Overrides
from readmission.registry import ledger, runs, tracking
from readmission.registry.intents import Intent
from readmission.registry.runs import TrainedModel
from readmission.settings import Settings
from readmission.training import dataset
from readmission.training.dataset import Dataset

log = logging.getLogger(__name__)


def run(
    settings: Settings,
    *,
    batch_up_to: Annotated[
        int | None, typer.Option(help="Judge on the batches up to this one. [the last trained on]")
    ] = None,
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
        RefusalError: nothing was trained on this data, no candidate passes and there is no champion, --again or
            --waive has no reason, or --waive names no gate.
    """
    if (again or waive) and not why:
        raise RefusalError(f"--{'again' if again else 'waive'} needs a reason: --why.")
    # An error in the file or in a name shows before anything is computed.
    names = [gate.name for gate in gates.read_gates(settings.training.gates)]
    waived = tuple(filter(None, map(str.strip, waive.split(","))))
    if unknown := set(waived) - set(names):
        raise RefusalError(f"--waive: {', '.join(sorted(unknown))} is no gate; allowed: {', '.join(names)}.")
    overrides = Overrides(who=by or getpass.getuser(), why=why, again=again, waived=waived)
    client = tracking.connect(settings)
    with decide(settings):
        return _promote(settings, client, batch_up_to, overrides)


def _promote(settings: Settings, client: MlflowClient, batch_up_to: int | None, overrides: Overrides) -> str:
    """Judge candidate after candidate until one passes; return the version that is champion afterwards."""
    # Not simply the newest data: a batch may have come in since the training that is to be judged.
    data = dataset.load(settings, batch_up_to or runs.newest_batch(settings), held_out=True)
    candidates = find_candidates(settings, data)
    tracing.count(rows=int(data.counts["size"].sum()), candidates=len(candidates))
    with tempfile.TemporaryDirectory() as directory:
        champion = find_champion(client, settings, data, Path(directory))
    for candidate in candidates:
        if champion and candidate.run_id == champion.run_id:
            log.info("version %s (%s) stays champion: no better candidate", champion.version, candidate.family)
            return champion.version
        version, judgement = _try(settings, client, data, candidate, champion, overrides)
        if version:
            return version
        if {check.figure for check in judgement.verdict.failed} == {"difference_low"}:
            break  # the rest are no better on validation
    if champion is None:
        raise RefusalError("No candidate passes the gates; nothing is promoted. The reasons stand above.")
    log.warning("version %s stays champion", champion.version)
    return champion.version


def _try(
    settings: Settings,
    client: MlflowClient,
    data: Dataset,
    candidate: TrainedModel,
    champion: Champion | None,
    overrides: Overrides,
) -> tuple[str, Judgement]:
    """Judge one candidate and promote it when it passes; the version is empty when it does not."""
    replaced = champion.version if champion else None
    with tempfile.TemporaryDirectory() as directory:
        judgement = judge(settings, client, data, candidate, champion, Path(directory), overrides)
        verdict = judgement.verdict
        if not verdict.passed:
            ledger.record_refusal(settings, candidate, replaced, verdict.as_data(), overrides.who)
            return "", judgement
        client.log_artifacts(candidate.run_id, directory, "serving")
    version = tracking.register(client, settings, candidate, tracking.model_uri(client, candidate.run_id), verdict)
    intent = Intent(
        decision="promoted",
        version=version,
        replaced=replaced,
        run_id=candidate.run_id,
        family=candidate.family,
        reasons=verdict.as_data(),
        who=overrides.who,
    )
    carry_out(settings, client, intent)
    log.info("version %s (%s) is champion", version, candidate.family)
    return version, judgement

"""Judgement of the trained candidates, for a person to approve: figures, verdict and card, and nothing is promoted."""

import getpass
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from readmission import tracing
from readmission.promotion.candidates import Judgement, find_candidates
from readmission.promotion.champion import find_champion
from readmission.promotion.decisions import decide
from readmission.promotion.overrides import Overrides
from readmission.promotion.selection import first_passing
from readmission.promotion.summary import describe
from readmission.registry import runs, tracking
from readmission.settings import Settings
from readmission.training import dataset


def run(
    settings: Settings,
    *,
    batch_up_to: Annotated[
        int | None, typer.Option(help="Judge on the batches up to this one. [the last trained on]")
    ] = None,
    by: Annotated[str, typer.Option(help="Who judges, for the audit table. [the user of this process]")] = "",
) -> dict[str, str] | list[str]:
    """Judge the trained candidates and show the one that `promote --run-id` would make the champion.

    Figures, verdict and model card are kept with its MLflow run; refusals are rows of training.promotions.

    Returns:
        Run, family and batches of the candidate, and its figures as text; an empty list if the champion stays.

    Raises:
        RefusalError: Nothing was trained on this data, or no candidate passes and there is no champion.
    """
    client = tracking.connect(settings)
    with decide(settings):
        data = dataset.load(settings, batch_up_to or runs.newest_batch(settings), held_out=True)
        candidates = find_candidates(settings, data)
        tracing.count(rows=int(data.counts["size"].sum()), candidates=len(candidates))
        with tempfile.TemporaryDirectory() as directory:
            champion = find_champion(client, settings, data, Path(directory))

        def show(judgement: Judgement, _: Path) -> dict[str, str]:
            candidate, text = judgement.candidate, describe(judgement, champion.version if champion else None)
            typer.echo(text)
            return {
                "run_id": candidate.run_id,
                "family": candidate.family,
                "batches": candidate.batches,
                "data_sha256": candidate.data_sha256,
                "text": text,
            }

        overrides = Overrides(who=by or getpass.getuser())
        return first_passing(settings, client, data, candidates, champion, overrides, show) or []

"""Comparison of the challenger with the champion on outcomes, with a rule when to stop."""

import httpx
import typer

from readmission.errors import RefusalError
from readmission.evaluation import sequential
from readmission.evaluation.sequential import SequentialTest
from readmission.monitoring import trials
from readmission.registry.aliases import CHALLENGER, CHAMPION, fetch_aliases
from readmission.settings import Settings


def run(settings: Settings) -> SequentialTest:
    """Compare the challenger with the champion on the outcomes so far, and name a winner once there is evidence.

    It may be run every day: two equal models get a winner in at most 5 % of the trials, however often one looks.

    Returns:
        State of the comparison at the newest look.

    Raises:
        RefusalError: No version has the alias `champion`, or none the alias `challenger`.
        RegistryError: MLflow does not answer.
    """
    with httpx.Client(base_url=settings.mlflow.tracking_uri, timeout=10) as http:
        aliases = fetch_aliases(http, settings.mlflow.model_name)
    for alias in (CHAMPION, CHALLENGER):
        if alias not in aliases:
            raise RefusalError(f"No version of {settings.mlflow.model_name} has the alias {alias}.")
    champion, challenger = aliases[CHAMPION], aliases[CHALLENGER]
    result = sequential.compare(trials.read_answers(settings, champion, challenger))
    typer.echo(describe(result, champion, challenger))
    return result


def describe(result: SequentialTest, champion: str, challenger: str) -> str:
    """Return the state of the comparison in two sentences."""
    events = f"{result.events} early readmissions are known of the arm with fewer."
    if not result.looks:
        return (
            f"Version {challenger} against {champion}: no look yet. {events} The first look needs {result.next_events}."
        )
    figures = f"difference of ROC-AUC {result.difference:+.4f}, give or take {result.half_width:.4f}"
    if result.winner:
        better = challenger if result.winner == CHALLENGER else champion
        return f"Version {challenger} against {champion}: version {better}, the {result.winner}, is better ({figures})."
    return (
        f"Version {challenger} against {champion}: no winner after {result.looks} looks ({figures}). {events}"
        f" The next look needs {result.next_events}."
    )

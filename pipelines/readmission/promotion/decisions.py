"""Decisions on the champion, carried out so that a killed process leaves nothing half done."""

import contextlib
from collections.abc import Iterator

from mlflow.tracking import MlflowClient

from readmission.registry import intents, tracking
from readmission.registry.intents import Intent
from readmission.registry.locks import lock_decisions
from readmission.settings import Settings


@contextlib.contextmanager
def decide(settings: Settings) -> Iterator[None]:
    """Be the only process that decides, after the decisions that a killed one left half done are settled.

    Raises:
        RegistryError: MLflow does not answer.
    """
    with lock_decisions(settings):
        intents.reconcile(settings)
        yield


def carry_out(settings: Settings, client: MlflowClient, intent: Intent) -> str:
    """Write the intent, move the alias, write the ledger; return the family of the new champion.

    Raises:
        UserError: There is no such version.
    """
    family = tracking.family_of(client, settings, intent.version)
    intent_id = intents.open_intent(settings, intent)
    tracking.set_champion(client, settings, intent.version)
    intents.settle(settings, intent_id, done=True)
    return family

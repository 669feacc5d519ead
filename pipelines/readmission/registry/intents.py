"""Decisions on the champion in three writes: the intent, the alias in MLflow, the row of the ledger.

MLflow and the database share no transaction. A process that is killed between the writes leaves an open intent, and
`reconcile` finds out from the alias what became of it.
"""

import json
import logging
from dataclasses import asdict, dataclass
from typing import Any, Literal

from readmission.registry.aliases import find_champion
from readmission.settings import Settings
from readmission.stores import postgres

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Intent:
    """Decision to make a version the champion.

    Attributes:
        decision: What it is.
        version: Version that becomes the champion.
        replaced: Version that was the champion. None if there was none.
        run_id, family: Training of a promoted version; None for a rollback.
        reasons: Checks of the gates, or what a person said.
        who: Who decides.
    """

    decision: Literal["promoted", "rolled back"]
    version: str
    replaced: str | None
    run_id: str | None = None
    family: str | None = None
    reasons: list[dict[str, Any]]
    who: str


def open_intent(settings: Settings, intent: Intent) -> int:
    """Write down what is about to be done; return the intent's id."""
    row = asdict(intent) | {"model_name": settings.mlflow.model_name, "reasons": json.dumps(intent.reasons)}
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(
            "INSERT INTO training.intents"
            " (decision, model_name, model_version, replaced_version, run_id, family, reasons, decided_by)"
            " VALUES (%(decision)s, %(model_name)s, %(version)s, %(replaced)s, %(run_id)s, %(family)s, %(reasons)s,"
            " %(who)s) RETURNING id",
            row,
        )
        return int(cursor.fetchone()[0])


def settle(settings: Settings, intent_id: int, *, done: bool) -> None:
    """Close an intent and, if it was carried out, write it into the ledger as of the time when it was decided."""
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute("UPDATE training.intents SET settled_at = now() WHERE id = %(id)s", {"id": intent_id})
        if done:
            cursor.execute(
                "INSERT INTO training.promotions (decision, model_name, model_version, replaced_version, run_id,"
                " family, reasons, decided_by, decided_at)"
                " SELECT decision, model_name, model_version, replaced_version, run_id, family, reasons, decided_by,"
                " intended_at FROM training.intents WHERE id = %(id)s",
                {"id": intent_id},
            )


def reconcile(settings: Settings) -> None:
    """Settle the intents that a killed process left open. The caller holds `locks.lock_decisions`.

    An intent whose version carries the alias was carried out, and its row is written now. Any other was not.

    Raises:
        RegistryError: MLflow does not answer.
    """
    for intent_id, decision, version in list_open(settings):
        done = find_champion(settings) == version
        settle(settings, intent_id, done=done)
        log.warning(
            "a process was killed when version %s was to be %s: the alias %s, so the ledger %s",
            version,
            decision,
            "had moved" if done else "had not moved",
            "has its row now" if done else "gets no row",
        )


def list_open(settings: Settings) -> list[tuple[int, str, str]]:
    """Return id, decision and version of the intents of this model that are not settled, the oldest first."""
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(
            "SELECT id, decision, model_version FROM training.intents"
            " WHERE settled_at IS NULL AND model_name = %(model_name)s ORDER BY id",
            {"model_name": settings.mlflow.model_name},
        )
        rows: list[tuple[int, str, str]] = cursor.fetchall()
    return rows

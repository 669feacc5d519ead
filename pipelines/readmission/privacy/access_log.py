"""Access log: rows of who asked about which patient. Whoever writes it may add to it and nothing else.

Scoring of CLEAN is a row a batch, which stands for everybody in it: a row a patient would make the log longer than
what it is about.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from psycopg2 import extras

from readmission.settings import Settings

_INSERT = """
INSERT INTO privacy.accesses (access_id, accessed_at, token, key_id, client, route, model_name, model_version,
  request_id) VALUES %s ON CONFLICT DO NOTHING"""
_ROW = """(%(access_id)s, %(accessed_at)s, %(token)s, %(key_id)s, %(client)s, %(route)s, %(model_name)s,
  %(model_version)s, %(request_id)s)"""


def batch_token(batch_id: int) -> str:
    """Return what stands for the patients of a clean batch, where one of them has a pseudonym of 32 hex digits."""
    return f"batch {batch_id}"


def add_accesses(cursor: Any, accesses: Sequence[dict[str, Any]]) -> None:
    """Store accesses; one that is stored already is skipped.

    Args:
        cursor: Of a role that may insert.
        accesses: Every column of `privacy.accesses` by name.
    """
    if accesses:
        extras.execute_values(cursor, _INSERT, accesses, template=_ROW, page_size=1000)


class Scoring:
    """Access log of one run of batch scoring. Without a key of pseudonyms there is none.

    Args:
        settings: Key of pseudonyms, and name of the model.
        version: Version that scores.
        by: Who asks.

    Attributes:
        version: Version that scores.
    """

    def __init__(self, settings: Settings, version: str, by: str) -> None:
        self._keys, self._client = settings.patient_keys, by
        self._model, self.version = settings.mlflow.model_name, version
        self._request_id = str(uuid4())

    def add_patients(self, cursor: Any, numbers: Iterable[int]) -> None:
        """Log that the patients of a file were scored."""
        for key in self._keys[:1]:
            self._add(cursor, "score --file", [(key.token(number), key.id) for number in sorted(numbers)])

    def add_batch(self, cursor: Any, batch_id: int) -> None:
        """Log that everybody of a clean batch was scored."""
        if self._keys:
            self._add(cursor, "score", [(batch_token(batch_id), "")])

    def _add(self, cursor: Any, route: str, patients: Sequence[tuple[str, str]]) -> None:
        now = datetime.now(UTC)
        cursor.execute("SELECT privacy.ensure_month(%(day)s::date)", {"day": now.date()})
        accesses = [
            {
                "access_id": str(uuid4()),
                "accessed_at": now,
                "token": token,
                "key_id": key_id,
                "client": self._client,
                "route": route,
                "model_name": self._model,
                "model_version": self.version,
                "request_id": self._request_id,
            }
            for token, key_id in patients
        ]
        add_accesses(cursor, accesses)

"""The database's side of serving: predictions and outcomes as role `readmission_serving`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, cast

import msgspec
import psycopg2
from psycopg2 import extras

from readmission import contract
from readmission.settings import Settings
from serving.predict import encounter
from serving.prediction_log.entries import Entry
from serving.prediction_log.ids import moment

_INSERT = """
INSERT INTO serving.predictions (prediction_id, predicted_at, model_name, model_version, variant, inputs,
  inputs_sha256, prediction, p_no, p_late, p_early, missing, latency_ms, request_id)
VALUES %s ON CONFLICT DO NOTHING"""
_KNOWN = """
SELECT p.prediction_id::text FROM (VALUES %s) AS wanted (id, at)
JOIN serving.predictions p ON p.prediction_id = wanted.id AND p.predicted_at = wanted.at"""
#: The latest word on an outcome holds; the same word again changes nothing.
_OUTCOME = """
INSERT INTO serving.feedback (prediction_id, outcome, observed_at) VALUES %s
ON CONFLICT (prediction_id) DO UPDATE SET outcome = excluded.outcome, observed_at = excluded.observed_at,
  received_at = now()
WHERE (serving.feedback.outcome, serving.feedback.observed_at) <> (excluded.outcome, excluded.observed_at)"""

Outcome = tuple[str, str, datetime]


class Store:
    """Keep one connection, opened when it is needed and dropped when it fails. One thread at a time.

    Args:
        settings: where the database is.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection: Any = None
        self._months: set[str] = set()

    def close(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _cursor(self) -> Any:
        if self._connection is None or self._connection.closed:
            s = self._settings
            self._connection = psycopg2.connect(
                host=s.postgres_host, port=s.postgres_port, dbname=s.postgres_database,
                user="readmission_serving", password=s.password("serving"), connect_timeout=3,
                options="-c statement_timeout=20000", application_name="readmission serving",
            )  # fmt: skip
        return self._connection.cursor()

    def add(self, entries: Sequence[Entry]) -> None:
        """Store predictions; those that are there already are left alone.

        Raises:
            psycopg2.Error: the database cannot be used now; nothing was stored.
        """
        try:
            with self._cursor() as cursor:
                for month in sorted({_time(e.moment).strftime("%Y-%m-01") for e in entries} - self._months):
                    cursor.execute("SELECT serving.ensure_month(%s::date)", (month,))
                    self._connection.commit()
                    self._months.add(month)
                extras.execute_values(cursor, _INSERT, list(map(_row, entries)), page_size=1000)
            self._connection.commit()
        except psycopg2.Error:
            self.close()
            raise

    def add_outcomes(self, outcomes: Sequence[Outcome]) -> set[str]:
        """Store the outcomes of predictions that the database knows; return the ids of those.

        Raises:
            psycopg2.Error: the database cannot be used now; nothing was stored.
        """
        # The last word of one request holds, too.
        latest = {outcome[0]: outcome for outcome in outcomes}
        wanted = [(name, moment(name)) for name in latest]
        try:
            with self._cursor() as cursor:
                rows = extras.execute_values(
                    cursor, _KNOWN, wanted, template="(%s::uuid, %s::timestamptz)", page_size=10_000, fetch=True
                )
                known = {row[0] for row in cast(list[tuple[str]], rows)}
                if known:
                    extras.execute_values(
                        cursor, _OUTCOME, [latest[name] for name in sorted(known)], template="(%s::uuid, %s, %s)"
                    )
            self._connection.commit()
        except psycopg2.Error:
            self.close()
            raise
        return known


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _row(entry: Entry) -> tuple[Any, ...]:
    values = encounter.decode(entry.inputs)
    canonical = msgspec.json.encode(msgspec.json.decode(entry.inputs), order="deterministic")
    no, late, early = entry.probabilities
    position = 0 if no >= late and no >= early else 1 if late >= early else 2
    return (
        entry.prediction_id, _time(entry.moment), entry.model, entry.version, entry.variant,
        canonical.decode(), sha256(canonical).hexdigest(), contract.CLASSES[position], no, late, early,
        encounter.missing(values), 1e3 * entry.latency, entry.request_id,
    )  # fmt: skip

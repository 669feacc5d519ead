"""Predictions and outcomes in the database, written as role `readmission_serving`."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, cast

import msgspec
import psycopg2
from psycopg2 import extras

from readmission import contract
from readmission.privacy.access_log import add_accesses
from readmission.privacy.tombstones import Tombstones, read_tombstones
from readmission.settings import Settings
from serving.clinic.events import Event
from serving.predict import encounter
from serving.prediction_log.entries import Entry
from serving.prediction_log.ids import moment
from serving.prediction_log.outcomes import Outcome
from serving.sidecar import access_log, clinic_store

_INSERT = """
INSERT INTO serving.predictions (prediction_id, predicted_at, model_name, model_version, variant, inputs,
  inputs_sha256, prediction, p_no, p_late, p_early, missing, latency_ms, request_id)
VALUES %s ON CONFLICT DO NOTHING"""
_ROW = """(%(prediction_id)s, %(predicted_at)s, %(model_name)s, %(model_version)s, %(variant)s, %(inputs)s,
  %(inputs_sha256)s, %(prediction)s, %(p_no)s, %(p_late)s, %(p_early)s, %(missing)s, %(latency_ms)s, %(request_id)s)"""
_STORED = """
SELECT p.prediction_id::text FROM (VALUES %s) AS asked (id, at)
JOIN serving.predictions p ON p.prediction_id = asked.id AND p.predicted_at = asked.at"""
#: The latest outcome counts; the same outcome again changes nothing.
_OUTCOME = """
INSERT INTO serving.feedback (prediction_id, outcome, observed_at, received_at) VALUES %s
ON CONFLICT (prediction_id) DO UPDATE SET outcome = excluded.outcome, observed_at = excluded.observed_at,
  received_at = excluded.received_at
WHERE (serving.feedback.outcome, serving.feedback.observed_at) <> (excluded.outcome, excluded.observed_at)
  AND excluded.received_at >= serving.feedback.received_at"""


class Store:
    """Connection to the database, opened when it is needed and dropped when it fails. One thread at a time.

    Args:
        settings: Address and password of the database.
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
                host=s.postgres.host,
                port=s.postgres.port,
                dbname=s.postgres.database,
                user="readmission_serving",
                password=s.password("serving"),
                connect_timeout=3,
                # The server's timeout cannot help when packets are lost: these end the wait here.
                keepalives_idle=5,
                keepalives_interval=5,
                keepalives_count=3,
                tcp_user_timeout=20_000,
                options="-c statement_timeout=20000",
                application_name="readmission serving",
            )
        return self._connection.cursor()

    def add(self, entries: Sequence[Entry]) -> None:
        """Store predictions; those that are stored already, and those of erased patients, are skipped.

        Raises:
            psycopg2.Error: The database is not available; nothing was stored.
        """
        try:
            with self._cursor() as cursor:
                for month in sorted({_time(e.moment).strftime("%Y-%m-01") for e in entries} - self._months):
                    cursor.execute(
                        "SELECT serving.ensure_month(%(month)s::date), privacy.ensure_month(%(month)s::date)",
                        {"month": month},
                    )
                    self._connection.commit()
                    self._months.add(month)
                keys = self._settings.patient_keys
                erased = read_tombstones(cursor, keys)
                patients = [(entry, _patients(entry)) for entry in entries]
                kept = [e for e, names in patients if e.route != "/explain" and not any(map(erased.cover, names))]
                extras.execute_values(cursor, _INSERT, list(map(_row, kept)), template=_ROW, page_size=1000)
                clinic_store.add_discharges(cursor, kept)
                if keys:
                    answers = [access_log.of_answer(e, names[0], keys[0]) for e, names in patients if names]
                    add_accesses(cursor, answers)
            self._connection.commit()
        except psycopg2.Error:
            self.close()
            raise

    def erased(self) -> Tombstones:
        """Return who is erased.

        Raises:
            psycopg2.Error: The database is not available.
        """
        try:
            with self._cursor() as cursor:
                tombstones = read_tombstones(cursor, self._settings.patient_keys)
            self._connection.commit()
        except psycopg2.Error:
            self.close()
            raise
        return tombstones

    def add_outcomes(self, outcomes: Sequence[Outcome]) -> set[str]:
        """Store the outcomes of stored predictions; return the ids of those.

        Raises:
            psycopg2.Error: The database is not available; nothing was stored.
        """
        # Of several outcomes of one prediction in a request, the last counts.
        latest = {outcome[0]: outcome for outcome in outcomes}
        try:
            with self._cursor() as cursor:
                stored = _stored(cursor, latest)
                if stored:
                    extras.execute_values(
                        cursor, _OUTCOME, [latest[name] for name in sorted(stored)], template="(%s::uuid, %s, %s, %s)"
                    )
            self._connection.commit()
        except psycopg2.Error:
            self.close()
            raise
        return stored

    def add_events(self, events: Sequence[Event]) -> set[str]:
        """Store what people did after estimates that are stored; return the ids of those.

        An estimate of an erased patient is not, so nothing is kept of what a comment says of them.

        Raises:
            psycopg2.Error: The database is not available; nothing was stored.
        """
        try:
            with self._cursor() as cursor:
                stored = _stored(cursor, {event.prediction_id for event in events})
                clinic_store.add_events(cursor, [event for event in events if event.prediction_id in stored])
            self._connection.commit()
        except psycopg2.Error:
            self.close()
            raise
        return stored

    def worklist(self, since: datetime, most: int, client: str, request_id: str) -> list[tuple[Any, ...]]:
        """Return the discharges since a moment, the highest risk first, and log who has read about whom.

        Args:
            since: Moment of the oldest prediction.
            most: Length of the list at most.
            client: Name of the API key; empty if none was needed.
            request_id: Of the request.

        Raises:
            psycopg2.Error: The database is not available; nobody was shown.
        """
        now, keys = datetime.now(UTC), self._settings.patient_keys
        try:
            with self._cursor() as cursor:
                rows = clinic_store.read_worklist(cursor, since, most)
                if keys and rows:
                    cursor.execute("SELECT privacy.ensure_month(%(day)s::date)", {"day": now.date()})
                    add_accesses(cursor, access_log.of_list(rows, keys[0], now, client, request_id))
            self._connection.commit()
        except psycopg2.Error:
            self.close()
            raise
        return rows


def _stored(cursor: Any, prediction_ids: Collection[str]) -> set[str]:
    """Return which predictions are in the database."""
    asked = [(prediction_id, moment(prediction_id)) for prediction_id in prediction_ids]
    rows = extras.execute_values(
        cursor, _STORED, asked, template="(%s::uuid, %s::timestamptz)", page_size=10_000, fetch=True
    )
    return {row[0] for row in cast(list[tuple[str]], rows)}


def _patients(entry: Entry) -> list[int | str]:
    """Return the names of an entry's patient: number and reference, those of them that it has."""
    number = encounter.decode(entry.inputs)[encounter.PATIENT]
    names: list[int | str] = [number] if isinstance(number, int) else []
    return [*names, entry.discharge.patient] if entry.discharge is not None and entry.discharge.patient else names


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _row(entry: Entry) -> dict[str, Any]:
    # Not judged again: the entry may have been written by a version that accepted it.
    inputs = msgspec.json.decode(entry.inputs)
    canonical = msgspec.json.encode(inputs, order="deterministic")
    no, late, early = entry.probabilities
    return {
        "prediction_id": entry.prediction_id,
        "predicted_at": _time(entry.moment),
        "model_name": entry.model,
        "model_version": entry.version,
        "variant": entry.variant,
        "inputs": canonical.decode(),
        "inputs_sha256": sha256(canonical).hexdigest(),
        "prediction": contract.most_probable(entry.probabilities),
        "p_no": no,
        "p_late": late,
        "p_early": early,
        "missing": encounter.missing_in(inputs),
        "latency_ms": 1e3 * entry.latency,
        "request_id": entry.request_id,
    }

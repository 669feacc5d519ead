"""Retention: what is older than its setting allows is dropped, and how many rows were is written down."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg2 import sql

from readmission import contract
from readmission.privacy.inventory import TABLES, Table
from readmission.settings import Settings
from readmission.stores import objects, postgres

log = logging.getLogger(__name__)

_LEDGER = "INSERT INTO privacy.purges (place, keep_days, dropped) VALUES (%(place)s, %(days)s, %(dropped)s)"
#: Scores of the champion stay however old they are; those of an encounter that is not in CLEAN any more go at once.
_SCORES = """
DELETE FROM serving.scores s WHERE model_name = %(model)s AND (
  (scored_at < %(before)s AND model_version IS DISTINCT FROM %(champion)s)
  OR NOT EXISTS (SELECT 1 FROM clean.encounters e WHERE e.encounter_id = s.encounter_id))"""
#: Statements by table; the others are deleted by the age of their rows.
_STATEMENTS = {
    "serving.predictions": "SELECT privacy.drop_months('serving.predictions', %(before)s)",
    "privacy.accesses": "SELECT privacy.drop_months('privacy.accesses', %(before)s)",
    "serving.scores": _SCORES,
    # As of an encounter, numbers and hash of its later versions stay.
    "raw.corrections": "UPDATE raw.corrections r SET content = '{}' FROM raw.batches b WHERE b.batch_id = r.batch_id"
    " AND b.finished < %(before)s AND r.content <> '{}'",
    # The row stays: the ledger counts it, and its reasons quote nothing.
    "raw.quarantine": "UPDATE raw.quarantine SET content = '{}' WHERE quarantined_at < %(before)s AND content <> '{}'",
}


def limited(settings: Settings) -> list[tuple[Table, float]]:
    """Return the tables with a retention, and how many days they keep their rows."""
    days = ((table, float(settings.value(table.setting))) for table in TABLES if table.setting)
    return [(table, keep) for table, keep in days if keep]


def purge(settings: Settings, champion: str | None) -> dict[str, int]:
    """Drop what is too old, one transaction a place; return how many rows were dropped, by place.

    Args:
        settings: Database, object store and the retention of each place.
        champion: Version whose scores stay. If omitted, scores are left alone.
    """
    dropped: dict[str, int] = {}
    for table, days in limited(settings):
        if table.name == "serving.scores" and champion is None:
            continue
        before = datetime.now(UTC) - timedelta(days=days)
        parameters = {"before": before, "champion": champion, "model": settings.mlflow.model_name}
        with postgres.transaction(settings, "privacy") as cursor:
            if table.name == "monitoring.drift_reports":
                _delete_reports(settings, cursor, parameters)
            cursor.execute(_statement(table), parameters)
            count = int(cursor.fetchone()[0]) if cursor.description else cursor.rowcount
            cursor.execute(_LEDGER, {"place": table.name, "days": days, "dropped": count})
        dropped[table.name] = count
        if count:
            log.info("%s: dropped %d rows older than %g days", table.name, count, days)
    return dropped


def _statement(table: Table) -> sql.Composable:
    if table.name in _STATEMENTS:
        return sql.SQL(_STATEMENTS[table.name])
    if table.name == "raw.encounters":
        return _blank_raw()
    return sql.SQL("DELETE FROM {} WHERE {} < %(before)s").format(
        sql.Identifier(*table.name.split(".")), sql.Identifier(table.moment)
    )


def _blank_raw() -> sql.Composable:
    """Return the statement that empties RAW rows of processed batches.

    Numbers and hash stay, by which a later delivery of the same row is known as a duplicate.
    """
    names = [name for name in contract.COLUMN_NAMES if name not in contract.IDENTIFIERS]
    emptied = sql.SQL(", ").join(sql.SQL("{} = ''").format(sql.Identifier(name)) for name in names)
    return sql.SQL(
        "UPDATE raw.encounters r SET {} FROM clean.batches c WHERE c.batch_id = r.batch_id"
        " AND c.finished < %(before)s AND r.age <> ''"
    ).format(emptied)


def _delete_reports(settings: Settings, cursor: Any, parameters: dict[str, Any]) -> None:
    """Delete the pages of old reports; first, so that no page is without its row for good."""
    cursor.execute("SELECT report FROM monitoring.drift_reports WHERE measured_at < %(before)s", parameters)
    store = objects.objects(settings)
    for (key,) in cursor.fetchall():
        store.delete(key)

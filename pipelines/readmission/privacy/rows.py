"""Rows of one patient in the database and in the clean snapshots, deleted in one transaction."""

import hashlib
import io
from dataclasses import dataclass
from typing import Any

import pyarrow.compute
import pyarrow.parquet
from psycopg2 import sql

from readmission.errors import UserError
from readmission.privacy.inventory import TABLES
from readmission.settings import Settings
from readmission.stores import objects, postgres

_ENCOUNTERS = """
SELECT encounter_id FROM raw.encounters WHERE patient_nbr = %(patient)s
UNION SELECT encounter_id FROM clean.encounters WHERE patient_nbr = %(patient)s
UNION SELECT (inputs->>'encounter_id')::bigint FROM serving.predictions
  WHERE inputs->>'patient_nbr' = %(text)s AND inputs->>'encounter_id' ~ '^[0-9]{1,18}$'"""
_PREDICTIONS = """
SELECT prediction_id::text FROM serving.predictions
WHERE inputs->>'patient_nbr' = %(text)s OR inputs->>'encounter_id' = ANY(%(texts)s)"""
#: Every snapshot, old revisions too, of the batches that the patient's encounters came with.
_SNAPSHOTS = """
WITH own AS (
  SELECT batch_id FROM raw.encounters WHERE patient_nbr = %(patient)s
  UNION SELECT batch_id FROM clean.encounters WHERE patient_nbr = %(patient)s)
SELECT batch_id, 0 AS revision, snapshot, snapshot_sha256 FROM clean.batches JOIN own USING (batch_id)
UNION ALL SELECT batch_id, revision, snapshot, snapshot_sha256 FROM clean.revisions JOIN own USING (batch_id)
ORDER BY 1, 2"""
_REISSUE = """
INSERT INTO privacy.reissues (subject, old_sha256, new_sha256, old_key, removed, reason)
VALUES (%(subject)s, %(old)s, %(new)s, %(old_key)s, %(removed)s, %(reason)s)"""
_BATCH = """
UPDATE clean.batches SET rows = rows - %(removed)s, snapshot = %(key)s, snapshot_sha256 = %(new)s
WHERE batch_id = %(batch)s"""
_REVISION = """
UPDATE clean.revisions SET rows = rows - %(removed)s, snapshot = %(key)s, snapshot_sha256 = %(new)s
WHERE batch_id = %(batch)s AND revision = %(revision)s"""
_AFFECTED = """
INSERT INTO privacy.affected_models (erasure_id, run_id, family)
SELECT %(erasure)s, run_id, family FROM training.runs e
WHERE EXISTS (SELECT 1 FROM unnest(%(batches)s) b WHERE b BETWEEN e.first_batch AND e.last_batch)
ON CONFLICT DO NOTHING"""
_STEP = """
INSERT INTO privacy.erasure_steps (erasure_id, place, removed) VALUES (%(erasure)s, %(place)s, %(removed)s)"""


@dataclass(frozen=True)
class Erasure:
    """One erasure: its number in the ledger, the patient and the reason."""

    number: int
    patient: int
    reason: str


def delete_rows(settings: Settings, erasure: Erasure) -> dict[str, int]:
    """Delete a patient's rows from every table, and issue the snapshots anew; return rows removed by place.

    All of it is one transaction, so an interrupted erasure has changed nothing here or everything. It waits for
    every delivery that has read the tombstones before this patient's.

    Raises:
        UserError: A snapshot is not what was recorded.
    """
    removed: dict[str, int] = {}
    with postgres.transaction(settings, "privacy") as cursor:
        cursor.execute("SELECT privacy.lock_tombstones()")
        parameters = _parameters(cursor, erasure.patient)
        batches = _reissue_snapshots(settings, cursor, erasure)
        if batches:
            cursor.execute(_AFFECTED, {"erasure": erasure.number, "batches": batches})
        for table in TABLES:
            if table.erase:
                name = sql.Identifier(*table.name.split("."))
                cursor.execute(sql.SQL("DELETE FROM {} WHERE ").format(name) + sql.SQL(table.erase), parameters)
                removed[table.name] = cursor.rowcount
        for table_name, count in removed.items():
            record_step(cursor, erasure, table_name, count)
    return removed


def remaining(settings: Settings, patient: int) -> dict[str, int]:
    """Return how many rows of a patient each table holds now, by table; empty if none does."""
    counts: dict[str, int] = {}
    with postgres.transaction(settings, "privacy") as cursor:
        parameters = _parameters(cursor, patient)
        for table in TABLES:
            if table.erase:
                name = sql.Identifier(*table.name.split("."))
                cursor.execute(
                    sql.SQL("SELECT count(*) FROM {} WHERE ").format(name) + sql.SQL(table.erase), parameters
                )
                if count := cursor.fetchone()[0]:
                    counts[table.name] = count
    return counts


def record_step(cursor: Any, erasure: Erasure, store: str, removed: int) -> None:
    """Record that a store is done: a table, a file of a run or the whole erasure."""
    cursor.execute(_STEP, {"erasure": erasure.number, "place": store, "removed": removed})


def _parameters(cursor: Any, patient: int) -> dict[str, Any]:
    """Return what the conditions of `Table.erase` are asked with."""
    cursor.execute(_ENCOUNTERS, {"patient": patient, "text": str(patient)})
    encounters = [row[0] for row in cursor.fetchall()]
    parameters = {"patient": patient, "text": str(patient), "encounters": encounters, "texts": [*map(str, encounters)]}
    cursor.execute(_PREDICTIONS, parameters)
    return parameters | {"predictions": [row[0] for row in cursor.fetchall()]}


def _reissue_snapshots(settings: Settings, cursor: Any, erasure: Erasure) -> list[int]:
    """Write the snapshots that hold the patient anew; return their batches."""
    store = objects.objects(settings)
    cursor.execute(_SNAPSHOTS, {"patient": erasure.patient})
    batches = []
    for batch, revision, old_key, old in cursor.fetchall():
        content = store.get(old_key)
        if hashlib.sha256(content).hexdigest() != old:
            raise UserError(f"The clean snapshot of batch {batch} ({old_key}) is not what `process` wrote.")
        data, removed = _without(content, erasure.patient)
        if not removed:
            continue
        new = hashlib.sha256(data).hexdigest()
        key = f"clean/batch={batch:04d}/{new}.parquet"
        # Before the commit: an object that nobody refers to does no harm, the reverse would.
        store.put(key, data)
        values = {"batch": batch, "revision": revision, "key": key, "new": new, "old": old, "old_key": old_key}
        values["removed"] = removed
        cursor.execute(_REVISION if revision else _BATCH, values)
        cursor.execute(_REISSUE, {**values, "subject": f"batch {batch}", "reason": erasure.reason})
        batches.append(batch)
    return sorted(set(batches))


def delete_old_snapshots(settings: Settings) -> int:
    """Delete every snapshot that was replaced and is still there; return how many."""
    store, deleted = objects.objects(settings), 0
    with postgres.transaction(settings, "privacy") as cursor:
        cursor.execute(
            "SELECT DISTINCT old_key FROM privacy.reissues WHERE old_key <> ''"
            " AND old_key NOT IN (SELECT snapshot FROM clean.batches UNION SELECT snapshot FROM clean.revisions)"
        )
        keys = [row[0] for row in cursor.fetchall()]
    for key in keys:
        if store.exists(key):
            store.delete(key)
            deleted += 1
    return deleted


def _without(data: bytes, patient: int) -> tuple[bytes, int]:
    """Return a snapshot without a patient's rows, and how many they were."""
    table = pyarrow.parquet.read_table(io.BytesIO(data))
    rest = table.filter(pyarrow.compute.not_equal(table["patient_nbr"], patient))
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(rest.replace_schema_metadata(None), buffer, compression="zstd")
    return buffer.getvalue(), len(table) - len(rest)

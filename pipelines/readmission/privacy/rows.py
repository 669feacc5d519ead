"""Rows of one patient in the database and in the clean snapshots, deleted in one transaction."""

import hashlib
import io
from collections.abc import Sequence
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
WHERE inputs->>'patient_nbr' = %(text)s OR inputs->>'encounter_id' = ANY(%(texts)s)
UNION SELECT d.prediction_id::text FROM serving.discharges d LEFT JOIN serving.predictions p USING (prediction_id)
WHERE d.patient = ANY(%(references)s) AND coalesce(p.inputs->>'patient_nbr', %(text)s, '') = coalesce(%(text)s, '')"""
#: How record systems name the patient of a number, and whether one with that name has a number.
_REFERENCES = """
SELECT DISTINCT d.patient FROM serving.discharges d JOIN serving.predictions p USING (prediction_id)
WHERE d.patient <> '' AND p.inputs->>'patient_nbr' = %(text)s"""
_NUMBERED = """
SELECT 1 FROM serving.discharges d JOIN serving.predictions p USING (prediction_id)
WHERE d.patient = %(text)s AND p.inputs ? 'patient_nbr' LIMIT 1"""
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
_COMPILED = """
SELECT run_id FROM training.promotions WHERE run_id IS NOT NULL
UNION SELECT run_id FROM training.intents WHERE run_id IS NOT NULL ORDER BY 1"""
_STEP = """
INSERT INTO privacy.erasure_steps (erasure_id, place, removed) VALUES (%(erasure)s, %(place)s, %(removed)s)"""


@dataclass(frozen=True)
class Erasure:
    """One erasure.

    Attributes:
        number: Its number in the ledger.
        patient: Number of the patient, or the reference of one who has none.
        references: How record systems name the patient.
        reason: Why.
    """

    number: int
    patient: int | str
    references: tuple[str, ...]
    reason: str

    @property
    def numbers(self) -> list[int]:
        """Return the patient's number as a list; empty without one."""
        return [self.patient] if isinstance(self.patient, int) else []


def find_references(cursor: Any, patient: int | str) -> tuple[str, ...]:
    """Return how record systems name a patient.

    Raises:
        UserError: It is a reference, and the patient has a number, by which more is found.
    """
    if isinstance(patient, int):
        cursor.execute(_REFERENCES, {"text": str(patient)})
        return tuple(row[0] for row in cursor.fetchall())
    cursor.execute(_NUMBERED, {"text": patient})
    if cursor.fetchone():
        raise UserError("The record system sends this patient's number too: name the patient by that number.")
    return (patient,)


def compiled_runs(settings: Settings) -> list[str]:
    """Return the MLflow runs that have a compiled model, also of a promotion that was cut off."""
    with postgres.transaction(settings, "privacy") as cursor:
        cursor.execute(_COMPILED)
        return [row[0] for row in cursor.fetchall()]


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
        parameters = _parameters(cursor, erasure)
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


def remaining(settings: Settings, erasure: Erasure) -> dict[str, int]:
    """Return how many rows of a patient each table holds now, by table; empty if none does."""
    counts: dict[str, int] = {}
    with postgres.transaction(settings, "privacy") as cursor:
        parameters = _parameters(cursor, erasure)
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


def _parameters(cursor: Any, erasure: Erasure) -> dict[str, Any]:
    """Return what the conditions of `Table.erase` are asked with; a patient without a number has none of the data."""
    number = next(iter(erasure.numbers), None)
    who = {"patient": number, "text": None if number is None else str(number)}
    cursor.execute(_ENCOUNTERS, who)
    encounters = [row[0] for row in cursor.fetchall()]
    parameters = {**who, "encounters": encounters, "texts": [*map(str, encounters)]}
    parameters["references"] = [*erasure.references]
    cursor.execute(_PREDICTIONS, parameters)
    return parameters | {"predictions": [row[0] for row in cursor.fetchall()]}


def _reissue_snapshots(settings: Settings, cursor: Any, erasure: Erasure) -> list[int]:
    """Write the snapshots that hold the patient anew; return their batches."""
    store = objects.objects(settings)
    cursor.execute(_SNAPSHOTS, {"patient": next(iter(erasure.numbers), None)})
    batches = []
    for batch, revision, old_key, old in cursor.fetchall():
        content = store.get(old_key)
        if hashlib.sha256(content).hexdigest() != old:
            raise UserError(f"The clean snapshot of batch {batch} ({old_key}) is not what `process` wrote.")
        data, removed = _without(content, erasure.numbers)
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


def _without(data: bytes, patients: Sequence[int]) -> tuple[bytes, int]:
    """Return a snapshot without the rows of patients, and how many they were."""
    table = pyarrow.parquet.read_table(io.BytesIO(data))
    rest = table.filter(pyarrow.compute.invert(pyarrow.compute.is_in(table["patient_nbr"], pyarrow.array(patients))))
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(rest.replace_schema_metadata(None), buffer, compression="zstd")
    return buffer.getvalue(), len(table) - len(rest)

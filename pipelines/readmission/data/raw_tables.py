"""Tables of RAW: batches, the versions of their rows, and quarantine."""

import json
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa
from psycopg2.extras import execute_values

from readmission import contract
from readmission.data.sorting import SortedRows, version_of
from readmission.data.sources import Source
from readmission.data.versions import Version, with_arrow_times
from readmission.stores import postgres


def read_clock(cursor: Any) -> datetime:
    """Return the time by the clock of the database, as every other moment in it: that of this machine may differ."""
    cursor.execute("SELECT clock_timestamp()")
    moment: datetime = cursor.fetchone()[0]
    return moment


def holds_batch(cursor: Any, data: Source, number: int) -> bool:
    """Whether a batch of a source is in."""
    cursor.execute(
        "SELECT 1 FROM raw.batches WHERE source_sha256 = %(source)s AND source_batch = %(number)s",
        {"source": data.sha256, "number": number},
    )
    return cursor.fetchone() is not None


def add_batch(cursor: Any, batch: dict[str, Any]) -> None:
    """Add a batch that is done to raw.batches."""
    row = batch | {"finished": read_clock(cursor)}
    values = ", ".join(f"%({name})s" for name in row)
    cursor.execute(f"INSERT INTO raw.batches ({', '.join(row)}) VALUES ({values})", row)  # noqa: S608  our names


def stored_versions(cursor: Any, frame: pd.DataFrame) -> dict[str, list[Version]]:
    """Return the versions in RAW of the encounters of a batch, by encounter_id, in the order in which they came."""
    column = contract.BY_NAME["encounter_id"]
    ids = [int(text) for text in frame["encounter_id"].unique() if not column.problem(text)]
    cursor.execute(
        "SELECT encounter_id, content_hash, patient_nbr::text, readmitted, discharged_at,"
        " coalesce(known_at, ingested_at) FROM raw.encounters WHERE encounter_id = ANY(%(ids)s)",
        {"ids": ids},
    )
    versions = {str(encounter): [_version(*values)] for encounter, *values in cursor.fetchall()}
    cursor.execute(
        "SELECT encounter_id, c.content_hash, patient_nbr::text, coalesce(content->>'readmitted', ''), c.discharged_at,"
        " c.known_at FROM raw.corrections c JOIN raw.encounters e USING (encounter_id)"
        " WHERE encounter_id = ANY(%(ids)s) ORDER BY id",
        {"ids": ids},
    )
    for encounter, *values in cursor.fetchall():
        versions[str(encounter)].append(_version(*values))
    return versions


def _version(digest: str, patient: str, outcome: str, discharged_at: datetime | None, known_at: datetime) -> Version:
    return Version(
        content_hash=digest, patient=patient, outcome=outcome, discharged_at=discharged_at, known_at=known_at
    )


def add_rows(cursor: Any, batch_id: int, result: SortedRows, now: datetime) -> None:
    """Add the sorted rows of a batch: accepted ones, corrections, and refused ones with their reasons.

    Args:
        cursor: Of the role `ingest`.
        batch_id: The batch.
        result: Its rows.
        now: When a row was known that does not say so.
    """
    if len(result.accepted):
        table = pa.Table.from_pandas(with_arrow_times(result.accepted), preserve_index=False)
        ids = pa.array([batch_id] * len(result.accepted), pa.int32())
        postgres.copy_in(cursor, "raw.encounters", table.append_column("batch_id", ids))
    corrections = [(row, version_of(row, now)) for row in result.corrections.to_dict("records")]
    execute_values(
        cursor,
        "INSERT INTO raw.corrections (batch_id, encounter_id, content, content_hash, discharged_at, known_at)"
        " VALUES %s",
        [
            (
                batch_id,
                int(row["encounter_id"]),
                json.dumps({name: row[name] for name in contract.COLUMN_NAMES}),
                version.content_hash,
                version.discharged_at,
                version.known_at,
            )
            for row, version in corrections
        ],
    )
    execute_values(
        cursor,
        "INSERT INTO raw.quarantine (batch_id, row_number, content, reasons) VALUES %s",
        [
            # jsonb knows no NUL character.
            (batch_id, number, json.dumps(row).replace("\\u0000", "\\ufffd"), json.dumps(reasons))
            for number, (row, reasons) in result.refused.items()
        ],
    )

"""Turn new RAW batches into CLEAN: typed, deaths and hospice left out, split by patient, snapshot kept."""

import hashlib
import io
import logging
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from psycopg2 import sql

from readmission import contract, engine, tracing
from readmission.contract import icd
from readmission.data import snapshots
from readmission.features import encoding, icd9
from readmission.settings import Settings
from readmission.stores import objects, postgres

log = logging.getLogger(__name__)

#: Whole numbers of `clean.encounters`; in the typed frame they are float64, NaN where not known.
_NUMBERS = tuple(c.name for c in contract.COLUMNS if c.dtype == "float64")


def run(settings: Settings) -> list[int]:
    """Process every RAW batch that is not in CLEAN; done ones are left alone.

    A batch without an accepted row is left out: it holds nothing to learn from.

    Args:
        settings: Database and object store.

    Returns:
        The batch ids that this run added.
    """
    with postgres.transaction(settings, "process") as cursor:
        cursor.execute(
            "SELECT batch_id FROM raw.batches WHERE accepted > 0"
            " AND batch_id NOT IN (SELECT batch_id FROM clean.batches) ORDER BY 1"
        )
        new = [row[0] for row in cursor.fetchall()]
    if not new:
        log.info("nothing to process: every raw batch with accepted rows is in CLEAN")
    added = []
    for batch_id, counts in engine.each(settings, "process", _process, new):
        if counts is not None:
            rows, excluded = counts
            tracing.count(rows=rows, excluded=excluded)
            log.info("batch %s: %s rows clean, %s excluded (death or hospice)", batch_id, rows, excluded)
            added.append(batch_id)
    return added


def _process(settings: Settings, batch_id: int) -> tuple[int, int] | None:
    """Process one batch in one transaction; return rows kept and excluded, None when another run has just done it."""
    with postgres.transaction(settings, "process") as cursor:
        # A lock a batch: batches do not depend on each other, and each may be another worker's.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('readmission.process'), %(batch)s)", {"batch": batch_id})
        cursor.execute("SELECT 1 FROM clean.batches WHERE batch_id = %(batch)s", {"batch": batch_id})
        if cursor.fetchone():
            return None
        raw = _read_raw(cursor, batch_id)
        frame = clean(raw, batch_id)
        data = to_parquet(frame)
        digest = hashlib.sha256(data).hexdigest()
        key = f"clean/batch={batch_id:04d}/{digest}.parquet"
        # Before the commit: an object that nobody refers to does no harm, the reverse would.
        objects.objects(settings).put(key, data)
        postgres.copy_in(cursor, "clean.encounters", _with_diagnoses(frame))
        cursor.execute(
            "INSERT INTO clean.batches (batch_id, rows, excluded, snapshot, snapshot_sha256)"
            " VALUES (%(batch)s, %(rows)s, %(excluded)s, %(key)s, %(digest)s)",
            {"batch": batch_id, "rows": len(frame), "excluded": len(raw) - len(frame), "key": key, "digest": digest},
        )
    return len(frame), len(raw) - len(frame)


def clean(raw: pd.DataFrame, batch_id: int) -> pd.DataFrame:
    """Make the typed frame of one batch, without encounters that cannot be followed by a readmission.

    Args:
        raw: Typed frame of the accepted rows.
        batch_id: Batch of every row.

    Returns:
        A frame with columns `contract.COLUMN_NAMES`, `batch_id` and `split`, ordered by encounter_id.
    """
    kept = raw[~raw["discharge_disposition_id"].isin(contract.EXCLUDED_DISPOSITIONS)]
    kept = kept.sort_values("encounter_id", ignore_index=True)
    return kept.assign(batch_id=batch_id, split=[encoding.split_of(int(patient)) for patient in kept["patient_nbr"]])


def to_parquet(frame: pd.DataFrame) -> bytes:
    """Serialise the typed frame; the same frame gives the same bytes."""
    buffer = io.BytesIO()
    schema = pa.schema([snapshots.SCHEMA.field(name) for name in frame.columns])
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False).replace_schema_metadata(None)
    pyarrow.parquet.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _read_raw(cursor: Any, batch_id: int) -> pd.DataFrame:
    cursor.execute("SELECT icd FROM raw.batches WHERE batch_id = %(batch)s", {"batch": batch_id})
    (system,) = cursor.fetchone()
    query = sql.SQL("SELECT {} FROM raw.encounters WHERE batch_id = {}").format(
        sql.SQL(", ").join(map(sql.Identifier, contract.COLUMN_NAMES)), sql.Literal(batch_id)
    )
    return typed_rows(postgres.copy_out(cursor, query), system)


def typed_rows(rows: BinaryIO, system: icd.System = "9cm") -> pd.DataFrame:
    """Return the typed frame of rows that Postgres has copied out as csv with a header.

    Args:
        rows: The csv.
        system: Declared code system of the diagnoses.
    """
    texts = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(contract.COLUMN_NAMES, pa.string()))
    return encoding.typed_frame(pyarrow.csv.read_csv(rows, convert_options=texts).to_pandas(), system)


def _with_diagnoses(frame: pd.DataFrame) -> pa.Table:
    """Add the parsed diagnoses, and make whole numbers whole again for the database."""
    columns: dict[str, Any] = {}
    for name in contract.DIAGNOSES:
        codes = frame[name].unique()
        parsed = {code: icd9.parse(code) for code in codes if isinstance(code, str)}
        chapters = {text: icd9.CHAPTER_NAMES[int(code.chapter)] for text, code in parsed.items()}
        columns[f"{name}_number"] = (
            frame[name].map({text: code.number for text, code in parsed.items()}).astype(np.float64)
        )
        columns[f"{name}_chapter"] = frame[name].map(chapters)
    whole = {name: frame[name].astype("Int32") for name in _NUMBERS}
    return pa.Table.from_pandas(frame.assign(**columns, **whole), preserve_index=False)

"""Turn new RAW batches into CLEAN: typed, deaths and hospice left out, split by patient, snapshot kept."""

import hashlib
import io
import logging
from datetime import datetime
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from psycopg2 import sql

from readmission import contract, engine, tracing
from readmission.data import snapshots, versions
from readmission.features import encoding, history, icd9
from readmission.privacy import tombstones
from readmission.settings import Settings
from readmission.stores import objects, postgres

log = logging.getLogger(__name__)

#: Whole numbers of `clean.encounters`; in the typed frame they are float64, NaN where not known.
_NUMBERS = tuple(c.name for c in contract.COLUMNS if c.dtype == "float64")
#: Moments of a row: the discharge, when its first version was known, and when the version that counts was.
_TIMES = ("discharged_at", "arrived_at", "known_at")
_MOMENT = "datetime64[us, UTC]"


#: New batches, and clean ones whose encounters were corrected or whose outcomes may have matured since; but for those
#: whose rows in RAW were emptied when their retention was over.
_PENDING = """
SELECT b.batch_id FROM raw.batches b LEFT JOIN clean.snapshots s USING (batch_id)
WHERE CASE WHEN s.batch_id IS NULL THEN b.accepted > b.corrected
  ELSE (s.immature > 0 AND s.through_batch < (SELECT max(batch_id) FROM raw.batches)
      OR EXISTS (SELECT FROM raw.corrections c JOIN raw.encounters e USING (encounter_id)
        WHERE e.batch_id = s.batch_id AND c.batch_id > s.through_batch))
    AND NOT EXISTS (SELECT FROM raw.encounters e WHERE e.batch_id = s.batch_id AND e.age = '') END
ORDER BY 1
"""
#: How far the raw data reaches: its last batch, and the moment up to which it is known.
_REACH = "SELECT max(batch_id), max(coalesce(known_through, finished)) FROM raw.batches"
_CORRECTIONS = """
SELECT DISTINCT ON (encounter_id) c.content, c.discharged_at, c.known_at, b.icd
FROM raw.corrections c JOIN raw.encounters e USING (encounter_id) JOIN raw.batches b ON b.batch_id = c.batch_id
WHERE e.batch_id = %(batch)s AND c.known_at >= coalesce(e.known_at, e.ingested_at)
ORDER BY encounter_id, c.known_at DESC, c.id DESC
"""


def run(settings: Settings) -> list[int]:
    """Process every RAW batch that is new, or whose outcomes have changed.

    A batch without an accepted row is left out: it holds nothing to learn from.

    Args:
        settings: Database and object store.

    Returns:
        The batch ids that this run added or revised.
    """
    with postgres.transaction(settings, "process") as cursor:
        cursor.execute(_PENDING)
        pending = [row[0] for row in cursor.fetchall()]
    if not pending:
        log.info("nothing to process: every raw batch with accepted rows is in CLEAN, and no outcome has changed")
    changed = []
    for batch_id, kept in engine.each(settings, "process", _process, pending):
        if kept is not None:
            tracing.count(rows=kept["rows"], excluded=kept["excluded"])
            log.info(
                "batch %(batch_id)s: %(rows)s rows clean, %(excluded)s excluded (death or hospice), outcome not known"
                " yet of %(immature)s (revision %(revision)s)",
                kept,
            )
            changed.append(batch_id)
    return changed


def _process(settings: Settings, batch_id: int) -> dict[str, Any] | None:
    """Process one batch in one transaction; return its new row of clean.snapshots, None when nothing has changed."""
    with postgres.transaction(settings, "process") as cursor:
        # A lock a batch: batches do not depend on each other, and each may be another worker's.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('readmission.process'), %(batch)s)", {"batch": batch_id})
        cursor.execute(
            "SELECT revision, snapshot_sha256 FROM clean.snapshots WHERE batch_id = %(batch)s", {"batch": batch_id}
        )
        before = cursor.fetchone()
        cursor.execute(_REACH)
        through, as_of = cursor.fetchone()
        erased = tombstones.read_tombstones(cursor, settings.patient_keys)
        raw = _read_raw(cursor, batch_id)
        if erased:
            raw = raw[~raw["patient_nbr"].map(erased.cover).astype(bool)]
        frame = clean(raw, batch_id, as_of)
        data = to_parquet(frame)
        digest = hashlib.sha256(data).hexdigest()
        if before and before[1] == digest:
            return None
        key = f"clean/batch={batch_id:04d}/{digest}.parquet"
        # Before the commit: an object that nobody refers to does no harm, the reverse would.
        objects.objects(settings).put(key, data)
        row = {
            "batch_id": batch_id,
            "revision": before[0] + 1 if before else 0,
            "rows": len(frame),
            "excluded": len(raw) - len(frame),
            "immature": int(frame[contract.TARGET].isna().sum()),
            "through_batch": through,
            "snapshot": key,
            "snapshot_sha256": digest,
        }
        _store(cursor, row, frame)
    return row


def _store(cursor: Any, row: dict[str, Any], frame: pd.DataFrame) -> None:
    """Write a batch or its revision, and put its encounters in the place of those that are there."""
    cursor.execute("DELETE FROM clean.encounters WHERE batch_id = %(batch_id)s", row)
    postgres.copy_in(cursor, "clean.encounters", _with_diagnoses(frame))
    table, names = (
        ("clean.revisions", list(row)) if row["revision"] else ("clean.batches", [n for n in row if n != "revision"])
    )
    cursor.execute(
        f"INSERT INTO {table} ({', '.join(names)})"  # noqa: S608  our names
        f" VALUES ({', '.join(f'%({name})s' for name in names)})",
        row,
    )


def clean(raw: pd.DataFrame, batch_id: int, as_of: datetime) -> pd.DataFrame:
    """Make the typed frame of one batch, without encounters that cannot be followed by a readmission.

    Args:
        raw: Typed frame of the accepted rows, with the columns `discharged_at`, `arrived_at` and `known_at`.
        batch_id: Batch of every row.
        as_of: Moment up to which the data is known.

    Returns:
        A frame with columns `contract.COLUMN_NAMES`, `known_at`, `batch_id` and `split`, and `history.TIMES` if any row
        has a discharge date, ordered by encounter_id. Outcomes that cannot be known yet are missing.
    """
    if raw["discharged_at"].isna().all():
        raw = raw.drop(columns=list(history.TIMES))
    else:
        raw = versions.withhold_outcomes(raw, as_of)
    kept = raw[~raw["discharge_disposition_id"].isin(contract.EXCLUDED_DISPOSITIONS)]
    kept = kept.sort_values("encounter_id", ignore_index=True)
    return kept.assign(batch_id=batch_id, split=[encoding.split_of(int(patient)) for patient in kept["patient_nbr"]])


def to_parquet(frame: pd.DataFrame) -> bytes:
    """Serialise the typed frame; the same frame gives the same bytes."""
    buffer = io.BytesIO()
    # What was known when is of no use to a reader of the snapshot, whose outcomes are mature.
    frame = frame.drop(columns="known_at", errors="ignore")
    table = pa.Table.from_pandas(
        frame, schema=snapshots.schema_of(frame.columns), preserve_index=False
    ).replace_schema_metadata(None)
    pyarrow.parquet.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _read_raw(cursor: Any, batch_id: int) -> pd.DataFrame:
    """Return the version that counts of each encounter of a batch, typed, with its times."""
    query = sql.SQL("SELECT {}, discharged_at, known_at FROM raw.encounters WHERE batch_id = {}").format(
        sql.SQL(", ").join(map(sql.Identifier, contract.COLUMN_NAMES)), sql.Literal(batch_id)
    )
    # Most batches have no correction: the columns are copied out as they are, and typed once.
    texts = read_texts(postgres.copy_out(cursor, query))
    cursor.execute("SELECT finished, icd FROM raw.batches WHERE batch_id = %(batch)s", {"batch": batch_id})
    ingested, system = cursor.fetchone()
    texts = texts.assign(arrived_at=texts["known_at"], icd=system)
    cursor.execute(_CORRECTIONS, {"batch": batch_id})
    corrections = [
        content | {"discharged_at": discharged_at, "known_at": known_at, "icd": system}
        for content, discharged_at, known_at, system in cursor.fetchall()
    ]
    if corrections:
        current = pd.DataFrame(corrections).set_index("encounter_id")
        texts = texts.set_index("encounter_id")
        texts.loc[current.index, current.columns] = current.astype(str).where(current.notna(), None)
        texts = texts.reset_index()
    parts = [encoding.typed_frame(part, system) for system, part in texts.groupby("icd", sort=False)]
    frame = pd.concat(parts).sort_index().drop(columns="icd")
    for name in _TIMES:
        frame[name] = pd.to_datetime(texts[name].replace("", None), utc=True, format="ISO8601").astype(_MOMENT)
    for name in ("arrived_at", "known_at"):
        frame[name] = frame[name].fillna(pd.Timestamp(ingested))
    return frame


def read_texts(rows: BinaryIO) -> pd.DataFrame:
    """Return rows that Postgres has copied out as csv with a header, as text."""
    names = (*contract.COLUMN_NAMES, *contract.TIME_NAMES)
    options = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    return pyarrow.csv.read_csv(rows, convert_options=options).to_pandas()


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
    whole_frame = versions.with_arrow_times(frame.assign(**columns, **whole))
    return pa.Table.from_pandas(whole_frame, preserve_index=False)

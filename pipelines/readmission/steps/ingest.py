"""Take batches of raw rows into RAW: validated, counted, each row once; bad rows to quarantine."""

import hashlib
import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import pandas as pd
import pyarrow as pa
import typer
from psycopg2.extras import execute_values

from readmission import contract, tracing
from readmission.contract import icd, validation
from readmission.data.feed import FeedSource
from readmission.data.sources import RawBatch, Source, open_source
from readmission.errors import UserError
from readmission.settings import Settings
from readmission.stores import postgres

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SortedRows:
    """Rows of one batch, sorted into accepted, refused and duplicate ones.

    Attributes:
        accepted: Text columns of the contract and `content_hash`.
        refused: Row number -> (the row, its reasons).
        duplicate: Number of rows that are already stored, the same to the letter.
    """

    accepted: pd.DataFrame
    refused: dict[int, tuple[dict[str, Any], list[validation.Reason]]]
    duplicate: int


def run(
    settings: Settings,
    *,
    source: Annotated[str, typer.Option(help="Path or URL of a csv or of the UCI zip.")] = "",
    batch: Annotated[int | None, typer.Option(min=1, help="Take this batch of the source, from 1.")] = None,
    every: Annotated[bool, typer.Option("--all/--next", help="Take all missing batches, or the next one.")] = False,
) -> list[int]:
    """Ingest one named batch, the next one, or all that are missing; done ones are left alone.

    Rows that the contract refuses go to raw.quarantine, with their reasons; a file that is not the contract's
    table stops the step and changes nothing.

    Args:
        settings: Database, source and batch size.
        source: Path, URL or feed+URL that overrides the setting.
        batch: Number of the batch in the source, from 1. If omitted, the next missing one.
        every: Whether to take all missing batches.

    Returns:
        The batch ids that this run added; empty if there was nothing to do.

    Raises:
        UserError: The source is absent or not the contract's table. Nothing was changed.
    """
    location = source or settings.source
    data: Source
    if location.startswith("feed+"):
        data = FeedSource(location.removeprefix("feed+"), settings.batch_size)
    else:
        data = open_source(settings, source)
    done = _done(settings, data)
    offered = range(1, data.batches + 1) if batch is None else [batch]
    missing = [n for n in offered if n not in done]
    numbers = missing if every else missing[:1]
    if not numbers:
        log.info("nothing to ingest: %s of %s batches of %s are in", len(done), data.batches, data.name)
    return [added for n in numbers if (added := _ingest(settings, data, n)) is not None]


def _done(settings: Settings, data: Source) -> set[int]:
    with postgres.transaction(settings, "ingest") as cursor:
        cursor.execute("SELECT source_batch FROM raw.batches WHERE source_sha256 = %(source)s", {"source": data.sha256})
        done = {row[0] for row in cursor.fetchall()}
        cursor.execute(
            "SELECT 1 FROM raw.batches WHERE synthetic <> %(synthetic)s LIMIT 1", {"synthetic": data.synthetic}
        )
        if cursor.fetchone():
            stored, offered = ("real", "synthetic") if data.synthetic else ("synthetic", "real")
            raise UserError(
                f"The database holds {stored} batches and {data.name} is {offered}: they are never mixed. "
                "Delete the old state first (`make clean-state`) or use another database."
            )
    return done


def _ingest(settings: Settings, data: Source, number: int) -> int | None:
    """Ingest one batch in one transaction; None when another run has just done it."""
    started = datetime.now(UTC)
    raw = data.batch(number)
    with postgres.transaction(settings, "ingest") as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('readmission.ingest'))")
        cursor.execute(
            "SELECT 1 FROM raw.batches WHERE source_sha256 = %(source)s AND source_batch = %(number)s",
            {"source": data.sha256, "number": number},
        )
        if cursor.fetchone():
            return None
        result = sort_rows(raw, _stored_hashes(cursor, raw.frame), settings.icd)
        cursor.execute("SELECT coalesce(max(batch_id), 0) + 1 FROM raw.batches")
        batch_id = int(cursor.fetchone()[0])
        _store(cursor, batch_id, result)
        batch = {
            "batch_id": batch_id,
            "source": data.name,
            "source_sha256": data.sha256,
            "source_batch": number,
            "synthetic": data.synthetic,
            "icd": settings.icd,
            "rows_read": raw.rows_read,
            "accepted": len(result.accepted),
            "quarantined": len(result.refused),
            "duplicate": result.duplicate,
            "started": started,
            "finished": datetime.now(UTC),
        }
        values = ", ".join(f"%({name})s" for name in batch)
        cursor.execute(f"INSERT INTO raw.batches ({', '.join(batch)}) VALUES ({values})", batch)  # noqa: S608  our names
    tracing.count(rows=raw.rows_read, accepted=len(result.accepted), quarantined=len(result.refused))
    log.info(
        "batch %(batch_id)s: read %(rows_read)s, accepted %(accepted)s, quarantined %(quarantined)s,"
        " duplicate %(duplicate)s",
        batch,
    )
    return batch_id


def sort_rows(raw: RawBatch, stored: dict[str, str], system: icd.System = "9cm") -> SortedRows:
    """Sort a batch's rows; rows read = accepted + refused + duplicate, always.

    Args:
        raw: The batch.
        stored: Content hash by encounter_id of encounters that are already in RAW.
        system: Declared code system of the diagnoses.
    """
    frame = raw.frame.assign(content_hash=content_hashes(raw.frame))
    reasons = validation.problems(raw.frame, system)
    sound = frame.drop(index=list(reasons))
    first = sound.drop_duplicates("encounter_id").set_index("encounter_id")["content_hash"].to_dict()
    original = sound["encounter_id"].map(lambda name: stored.get(name) or first[name])
    repeated = sound["encounter_id"].isin(stored) | sound["encounter_id"].duplicated()
    contradicting = sound.index[repeated & (original != sound["content_hash"])]
    for label in contradicting:
        reasons[label] = [
            validation.Reason(
                field="encounter_id",
                problem="duplicate",
                allowed="an encounter once, or the same again to the letter",
            )
        ]
    rows = raw.frame.loc[sorted(reasons)].to_dict("index")
    refused: dict[int, tuple[dict[str, Any], list[validation.Reason]]] = {
        int(label): (rows[label], reasons[label]) for label in rows
    }
    for line in raw.unreadable:
        problem = validation.Reason(
            field="", problem=f"{line.fields} fields", allowed=f"a row of {line.expected} fields"
        )
        refused[line.row_number] = ({"text": line.text}, [problem])
    accepted = sound[~repeated]
    return SortedRows(accepted, refused, int(repeated.sum()) - len(contradicting))


def content_hashes(frame: pd.DataFrame) -> list[str]:
    """Hash each row's text (sha256 of the values joined by the unit separator), in the contract's column order."""
    columns = [frame[name].tolist() for name in contract.COLUMN_NAMES]
    return [hashlib.sha256("\x1f".join(row).encode()).hexdigest() for row in zip(*columns, strict=True)]


def _stored_hashes(cursor: Any, frame: pd.DataFrame) -> dict[str, str]:
    column = contract.BY_NAME["encounter_id"]
    ids = [int(text) for text in frame["encounter_id"].unique() if not column.problem(text)]
    cursor.execute(
        "SELECT encounter_id, content_hash FROM raw.encounters WHERE encounter_id = ANY(%(ids)s)", {"ids": ids}
    )
    return {str(encounter): digest for encounter, digest in cursor.fetchall()}


def _store(cursor: Any, batch_id: int, result: SortedRows) -> None:
    if len(result.accepted):
        table = pa.Table.from_pandas(result.accepted, preserve_index=False)
        ids = pa.array([batch_id] * len(result.accepted), pa.int32())
        postgres.copy_in(cursor, "raw.encounters", table.append_column("batch_id", ids))
    execute_values(
        cursor,
        "INSERT INTO raw.quarantine (batch_id, row_number, content, reasons) VALUES %s",
        [
            # jsonb knows no NUL character.
            (batch_id, number, json.dumps(row).replace("\\u0000", "\\ufffd"), json.dumps(reasons))
            for number, (row, reasons) in result.refused.items()
        ],
    )

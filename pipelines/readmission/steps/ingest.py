"""Take batches of raw rows into RAW: validated, counted, each version of a row once; bad rows to quarantine."""

import logging
from dataclasses import replace
from typing import Annotated, Any

import typer

from readmission import tracing
from readmission.contract import validation
from readmission.data import raw_tables
from readmission.data.feed import FeedSource
from readmission.data.sorting import SortedRows, sort_rows
from readmission.data.sources import RawBatch, Source, SourceClosedError, open_source
from readmission.errors import UserError
from readmission.privacy import tombstones
from readmission.privacy.tombstones import Tombstones
from readmission.settings import Settings
from readmission.stores import postgres

log = logging.getLogger(__name__)
_REFUSED = (
    "The contract refuses {} of {}, and READMISSION_QUARANTINE_LIMIT is {:.0%}. The rows are in raw.quarantine with "
    "their reasons; the batches count as ingested. Correct them at the source and deliver them again."
)


def run(
    settings: Settings,
    *,
    source: Annotated[str, typer.Option(help="Path or URL of a csv or of the UCI zip.")] = "",
    batch: Annotated[int | None, typer.Option(min=1, help="Take this batch of the source, from 1.")] = None,
    every: Annotated[bool, typer.Option("--all/--next", help="Take all missing batches, or the next one.")] = False,
) -> list[int]:
    """Ingest one named batch, the next one, or all that are missing; done ones are left alone.

    Rows that the contract refuses go to raw.quarantine, with their reasons; a file that is not the contract's
    table stops the step and changes nothing. A row with other content than before is a later version of its encounter.

    Args:
        settings: Database, source and batch size.
        source: Path, URL or feed+URL that overrides the setting.
        batch: Number of the batch in the source, from 1. If omitted, the next missing one.
        every: Whether to take all missing batches.

    Returns:
        The batch ids that this run added; empty if there was nothing to do.

    Raises:
        UserError: The source is absent or not the contract's table, and nothing was changed. Or more than
            READMISSION_QUARANTINE_LIMIT of a batch was refused: its rows are stored, in quarantine above all.
    """
    data = _open(settings, source)
    missing = _missing(settings, data, batch)
    added, refused = [], []
    for number in missing if every else missing[:1]:
        try:
            batch_id, share = _ingest(settings, data, number)
        except SourceClosedError as closed:
            log.info("%s", closed)
            break
        added += [batch_id] if batch_id else []
        refused += [f"{share:.0%} of batch {batch_id}"] if share > settings.quarantine_limit else []
    if refused:
        raise UserError(_REFUSED.format(", ".join(refused), data.name, settings.quarantine_limit))
    return added


def _open(settings: Settings, source: str) -> Source:
    location = source or settings.source
    if location.startswith("feed+"):
        return FeedSource(location.removeprefix("feed+"), settings.batch_size)
    return open_source(settings, source)


def _missing(settings: Settings, data: Source, batch: int | None) -> list[int]:
    """Return the numbers of the batches that are not in yet, of one batch or of all."""
    done = _done(settings, data)
    offered = range(1, data.batches + 1) if batch is None else [batch]
    missing = [number for number in offered if number not in done]
    if not missing:
        log.info("nothing to ingest: %s of %s batches of %s are in", len(done), data.batches, data.name)
    return missing


def _done(settings: Settings, data: Source) -> set[int]:
    """Return the batches of the source that are in, also those of a shorter source that this one continues."""
    with postgres.transaction(settings, "ingest") as cursor:
        cursor.execute("SELECT source_batch FROM raw.batches WHERE source_sha256 = %(source)s", {"source": data.sha256})
        done = {row[0] for row in cursor.fetchall()}
        cursor.execute(
            "SELECT b.number FROM unnest(%(hashes)s::text[]) WITH ORDINALITY b (content, number)"
            " JOIN raw.batches r ON r.source_batch = b.number AND r.content_sha256 = b.content",
            {"hashes": list(data.batch_hashes)},
        )
        done |= {int(row[0]) for row in cursor.fetchall()}
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


def _ingest(settings: Settings, data: Source, number: int) -> tuple[int | None, float]:
    """Ingest one batch in one transaction; return its id and the share of refused rows.

    The id is None when another run has just done it.
    """
    raw = data.batch(number)
    with postgres.transaction(settings, "ingest") as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('readmission.ingest'))")
        started = raw_tables.read_clock(cursor)
        if raw_tables.holds_batch(cursor, data, number):
            return None, 0.0
        erased = tombstones.read_tombstones(cursor, settings.patient_keys)
        result = sort_rows(raw, raw_tables.stored_versions(cursor, raw.frame), started, settings.icd)
        result = without_erased(result, erased)
        cursor.execute("SELECT coalesce(max(batch_id), 0) + 1 FROM raw.batches")
        batch_id = int(cursor.fetchone()[0])
        raw_tables.add_rows(cursor, batch_id, result, started)
        batch = {
            "batch_id": batch_id,
            "source": data.name,
            "source_sha256": data.sha256,
            "source_batch": number,
            "synthetic": data.synthetic,
            "icd": settings.icd,
            "content_sha256": raw.sha256,
            "started": started,
            **_counts(raw, result),
        }
        raw_tables.add_batch(cursor, batch)
    tracing.count(rows=raw.rows_read, accepted=batch["accepted"], quarantined=batch["quarantined"])
    log.info(
        "batch %(batch_id)s: read %(rows_read)s, accepted %(accepted)s, quarantined %(quarantined)s,"
        " duplicate %(duplicate)s; later versions of earlier encounters %(corrected)s",
        batch,
    )
    # Rows of erased patients are refused through no fault of the source.
    faulty = sum(reasons[0]["problem"] != tombstones.ERASED for _, reasons in result.refused.values())
    return batch_id, faulty / max(raw.rows_read, 1)


def _counts(raw: RawBatch, rows: SortedRows) -> dict[str, Any]:
    """Return what became of the rows of a batch, by column of raw.batches."""
    return {
        "rows_read": raw.rows_read,
        "accepted": len(rows.accepted) + len(rows.corrections),
        "corrected": len(rows.corrections),
        "quarantined": len(rows.refused),
        "duplicate": rows.duplicate,
        "known_through": rows.known_through,
    }


def without_erased(rows: SortedRows, erased: Tombstones) -> SortedRows:
    """Refuse rows of erased patients, and keep the content of none of them."""
    if not erased:
        return rows
    reason = validation.Reason(field="patient_nbr", problem=tombstones.ERASED, allowed="a patient who is not erased")
    refused: dict[int, tuple[dict[str, Any], list[validation.Reason]]] = {}
    kept = []
    for frame in (rows.accepted, rows.corrections):
        covered = frame["patient_nbr"].map(erased.cover).astype(bool)
        refused |= {int(label): ({}, [reason]) for label in frame.index[covered]}
        kept.append(frame[~covered])
    for label, (row, reasons) in rows.refused.items():
        cells = [row.get("patient_nbr"), *str(row.get("text", "")).split(",")]
        gone = any(map(erased.cover, cells))
        refused[label] = ({}, [reason]) if gone else (row, reasons)
    return replace(rows, accepted=kept[0], corrections=kept[1], refused=refused)

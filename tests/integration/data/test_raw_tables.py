"""Tables of RAW: what is added comes back as versions, each with its times."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from readmission.data import raw_tables, sources
from readmission.data.sorting import sort_rows
from readmission.settings import Settings
from readmission.stores import postgres
from tests.integration.data.tools import as_csv, query, rows_of

NOW = datetime(2026, 11, 27, tzinfo=UTC)


def test_accepted_corrected_and_refused_rows_come_back(database: Settings, sample: Path) -> None:
    first, second, third = rows_of(sample, 3)
    path = database.home / "rows.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(as_csv([first, second, third | {"gender": "Neither"}]))
    source = sources.open_source(database, str(path))
    raw = source.batch(1)
    with postgres.transaction(database, "ingest") as cursor:
        assert not raw_tables.holds_batch(cursor, source, 1)
        assert raw_tables.stored_versions(cursor, raw.frame) == {}
        raw_tables.add_batch(
            cursor,
            {
                "batch_id": 1,
                "source": source.name,
                "source_sha256": source.sha256,
                "source_batch": 1,
                "synthetic": True,
                "rows_read": 3,
                "accepted": 2,
                "quarantined": 1,
                "duplicate": 0,
                "started": NOW,
            },
        )
        raw_tables.add_rows(cursor, 1, sort_rows(raw, {}, NOW), NOW)
        assert raw_tables.holds_batch(cursor, source, 1) and not raw_tables.holds_batch(cursor, source, 2)
        versions = raw_tables.stored_versions(cursor, raw.frame)
        assert set(versions) == {first["encounter_id"], second["encounter_id"]}
        later = raw.frame[:1].assign(number_inpatient="9")
        corrected = sort_rows(replace(raw, frame=later, unreadable=[]), versions, NOW)
        raw_tables.add_rows(cursor, 1, corrected, NOW)
        assert [v.patient for v in raw_tables.stored_versions(cursor, later)[first["encounter_id"]]] == [
            first["patient_nbr"]
        ] * 2
    [(content, problem)] = query(database, "SELECT content->>'gender', reasons->0->>'problem' FROM raw.quarantine")
    assert (content, problem) == ("Neither", "level")

"""What is too old goes, by whole months where tables have them, and the ledger says how much."""

import json
from pathlib import Path

import psycopg2
import pytest

from readmission.monitoring.queries import QUERIES
from readmission.privacy import retention
from readmission.privacy.inventory import TABLES
from readmission.settings import Role, Settings
from readmission.steps import ingest, process
from readmission.stores import objects, postgres

PREDICTION = """
INSERT INTO serving.predictions (prediction_id, predicted_at, model_name, model_version, inputs, inputs_sha256,
  prediction, p_no, p_late, p_early, missing, latency_ms, request_id)
SELECT gen_random_uuid(), now() - make_interval(days => %(days)s), 'm', '1', '{}', '', 'NO', 1, 0, 0, '{}', 1, 'r'
FROM generate_series(1, %(count)s)"""


def rows(settings: Settings, text: str) -> list[tuple]:
    with postgres.transaction(settings, "privacy") as cursor:
        cursor.execute(text)
        return cursor.fetchall()


def execute(settings: Settings, text: str, **values: object) -> None:
    with postgres.transaction(settings, "owner") as cursor:
        cursor.execute(text, values or None)


def test_predictions_go_by_dropped_months_and_the_ledger_counts_them(database: Settings) -> None:
    execute(database, "SELECT serving.ensure_month((now() - interval '500 days')::date)")
    execute(database, "SELECT serving.ensure_month(now()::date)")
    for days, count in ((500, 7), (900, 3), (1, 5)):  # 900: in the default partition
        execute(database, PREDICTION, days=days, count=count)
    months = rows(database, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'serving.predictions'::regclass")
    assert retention.purge(database, "1")["serving.predictions"] == 10
    assert rows(database, "SELECT count(*) FROM serving.predictions") == [(5,)]
    left = rows(database, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'serving.predictions'::regclass")
    assert left[0][0] == months[0][0] - 1
    ledger = "SELECT place, keep_days, dropped FROM privacy.purges WHERE place = 'serving.predictions'"
    assert rows(database, ledger) == [("serving.predictions", 400.0, 10)]
    assert retention.purge(database, "1")["serving.predictions"] == 0


def test_zero_keeps_for_ever(database: Settings) -> None:
    execute(database, PREDICTION, days=900, count=3)
    config = database.replace(retention_predictions_days=0)
    assert "serving.predictions" not in retention.purge(config, "1")
    assert rows(config, "SELECT count(*) FROM serving.predictions") == [(3,)]


def test_refused_rows_lose_their_content_and_stay_counted(database: Settings, sample: Path) -> None:
    bad = sample.read_text().replace("Female", "Neither", 3)
    path = database.home / "bad.csv"
    path.parent.mkdir(parents=True)
    path.write_text(bad)
    ingest.run(database, source=str(path))
    execute(database, "UPDATE raw.quarantine SET quarantined_at = now() - interval '91 days'")
    assert retention.purge(database, "1")["raw.quarantine"] == 3
    assert rows(database, "SELECT content::text, jsonb_array_length(reasons) FROM raw.quarantine") == [("{}", 1)] * 3


def test_raw_rows_are_emptied_after_clean_and_still_known_as_duplicates(database: Settings, sample: Path) -> None:
    config = database.replace(batch_size=1000, retention_raw_days=10)
    ingest.run(config, source=str(sample), every=True)
    process.run(config)
    execute(config, "UPDATE clean.batches SET finished = now() - interval '11 days' WHERE batch_id = 1")
    assert retention.purge(config, "1")["raw.encounters"] == 1000
    assert rows(config, "SELECT count(*) FROM raw.encounters WHERE age = '' AND diag_1 = ''") == [(1000,)]
    again = config.home / "again.csv"
    again.write_text(sample.read_text() + "\n")
    ingest.run(config, source=str(again))
    assert rows(config, "SELECT accepted, duplicate FROM raw.batches WHERE batch_id = 3") == [(0, 1000)]


def test_scores_of_the_champion_stay(database: Settings, sample: Path) -> None:
    ingest.run(database, source=str(sample))
    process.run(database)
    execute(
        database,
        "INSERT INTO serving.scores (encounter_id, model_name, model_version, p_no, p_late, p_early, scored_at)"
        " SELECT encounter_id, %(model)s, v, 1, 0, 0, now() - interval '40 days'"
        " FROM (SELECT encounter_id FROM clean.encounters LIMIT 10) e, unnest(ARRAY['1', '2']) v",
        model=database.mlflow.model_name,
    )
    assert retention.purge(database, "2")["serving.scores"] == 10
    assert rows(database, "SELECT DISTINCT model_version FROM serving.scores") == [("2",)]


def test_reports_go_with_their_pages(database: Settings) -> None:
    store = objects.objects(database)
    for name, days in (("old", 500), ("new", 1)):
        store.put(f"monitoring/{name}.html", b"page")
        execute(
            database,
            "INSERT INTO monitoring.drift_reports (report_id, subject, reference, rows, judged, alarm, rule, report,"
            " measured_at) VALUES (%(name)s, 'batch', 'r', 1, true, '{}', %(rule)s, %(key)s,"
            " now() - make_interval(days => %(days)s))",
            name=name,
            rule=json.dumps({}),
            key=f"monitoring/{name}.html",
            days=days,
        )
    assert retention.purge(database, "1")["monitoring.drift_reports"] == 1
    assert store.keys("monitoring/") == ["monitoring/new.html"]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM privacy.purges",
        "DELETE FROM privacy.accesses",
        "UPDATE privacy.erasures SET reason = ''",
        "DELETE FROM privacy.tombstones",
        "DROP TABLE serving.predictions",
        "UPDATE clean.encounters SET readmitted = 'NO'",
        "INSERT INTO raw.batches DEFAULT VALUES",
        "SELECT privacy.drop_months('raw.encounters', now())",
        "SELECT privacy.drop_months('serving.predictions', now() + interval '1 day')",
    ],
)
def test_the_role_may_not_rewrite_its_ledgers_nor_drop_anything_else(database: Settings, statement: str) -> None:
    with pytest.raises((psycopg2.errors.InsufficientPrivilege, psycopg2.errors.RaiseException)):
        execute_as_privacy(database, statement)


def execute_as_privacy(settings: Settings, statement: str) -> None:
    with postgres.transaction(settings, "privacy") as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize("role", ["serving", "score"])
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 FROM privacy.accesses",
        "DELETE FROM privacy.accesses",
        "DELETE FROM privacy.accesses_default",
        "UPDATE privacy.accesses SET client = ''",
        "TRUNCATE privacy.accesses",
        "DROP TABLE privacy.accesses",
        "SELECT privacy.drop_months('privacy.accesses', now())",
    ],
)
def test_who_writes_the_access_log_may_only_add_to_it(database: Settings, role: Role, statement: str) -> None:
    with (
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
        postgres.transaction(database, role) as cursor,
    ):
        cursor.execute(statement)


def test_the_oldest_entry_of_every_place_with_a_retention_is_measured(database: Settings) -> None:
    (query,) = (query for query in QUERIES if query.name == "readmission_oldest_entry_timestamp_seconds")
    with postgres.transaction(database, "monitor") as cursor:
        cursor.execute(query.sql, {"model_name": "m"})
        assert {name for name, _ in cursor.fetchall()} == {table.name for table in TABLES if table.setting}


def test_a_place_that_is_kept_for_ever_again_has_no_retention_left_to_be_overdue(database: Settings) -> None:
    (query,) = (query for query in QUERIES if query.name == "readmission_retention_seconds")

    def places() -> set[str]:
        with postgres.transaction(database, "monitor") as cursor:
            cursor.execute(query.sql)
            return {name for name, _ in cursor.fetchall()}

    retention.purge(database, None)
    assert "serving.predictions" in places()
    execute(database, "UPDATE privacy.purges SET purged_at = purged_at - interval '1 day'")
    retention.purge(database.replace(retention_predictions_days=0), None)
    assert "serving.predictions" not in places() and "serving.feedback" in places()

"""The exporter: every metric from a real database, and a plain word when there is none."""

import json
from pathlib import Path

import psycopg2
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from readmission import contract
from readmission.monitoring.collector import OWN, DatabaseCollector
from readmission.monitoring.queries import QUERIES, Query
from readmission.settings import Role, Settings
from readmission.steps import ingest, process
from readmission.stores import postgres, step_runs
from tests.integration.monitoring.conftest import move_alias
from tests.metrics_page import documented


def scrape(config: Settings, collector: DatabaseCollector | None = None) -> dict[str, dict[tuple[str, ...], float]]:
    registry = CollectorRegistry()
    registry.register(collector or DatabaseCollector(config, every=0))
    page = generate_latest(registry).decode()
    return {
        sample_name: {tuple(s.labels.values()): s.value for s in family.samples if s.name == sample_name}
        for family in text_string_to_metric_families(page)
        for sample_name in {s.name for s in family.samples}
    }


@pytest.fixture
def config(database: Settings) -> Settings:
    return database.replace(mlflow_uri="http://127.0.0.1:9", api_url="http://127.0.0.1:9")


def test_what_the_database_holds_is_what_is_exposed(config: Settings, sample: Path) -> None:
    small = config.replace(batch_size=1500)
    ingest.run(small, source=str(sample), every=True)
    with step_runs.recorded(small, "process", "process"):
        process.run(small)
    samples = scrape(config)
    assert samples["readmission_exporter_database_up"] == {(): 1.0}
    assert samples["readmission_batches"] == {("raw",): 2.0, ("clean",): 2.0}
    assert samples["readmission_batch_rows"]["1", "accepted"] == 1500
    assert sum(v for (_, result), v in samples["readmission_batch_rows"].items() if result == "accepted") == 2000
    assert samples["readmission_batch_quarantine_ratio"] == {(): 0.0}
    assert samples["readmission_step_runs_total"] == {("success", "process"): 1.0}  # labels are sorted
    assert samples["readmission_step_failed"] == {("process",): 0.0}
    assert samples["readmission_service_up"] == {("mlflow",): 0.0, ("api",): 0.0}
    assert samples["readmission_database_size_bytes"][()] > 1e6


def test_an_empty_database_is_no_error(config: Settings) -> None:
    samples = scrape(config)
    assert samples["readmission_batches"] == {("raw",): 0.0, ("clean",): 0.0}
    assert "readmission_champion_info" not in samples
    assert samples["readmission_retraining_decisions_total"] == {("true",): 0.0, ("false",): 0.0}


def test_without_a_database_the_exporter_says_so_and_nothing_stale(config: Settings) -> None:
    samples = scrape(config.replace(postgres_port=9))
    assert samples["readmission_exporter_database_up"] == {(): 0.0}
    assert set(samples) <= set(OWN)


def record(config: Settings, version: str, model_name: str = "") -> None:
    with postgres.transaction(config, "train") as cursor:
        cursor.execute(
            "INSERT INTO training.promotions (decision, model_name, model_version, family, reasons, decided_by)"
            " VALUES ('promoted', %s, %s, 'f', '[]', 'test')",
            (model_name or config.mlflow.model_name, version),
        )


def test_the_champion_is_the_alias_and_a_ledger_that_disagrees_is_shown(registered: Settings) -> None:
    samples = scrape(registered)
    assert samples["readmission_champion_disagreement"] == {(): 0.0} and "readmission_champion_info" not in samples
    record(registered, "1")
    record(registered, "9", model_name="another")
    assert scrape(registered)["readmission_champion_disagreement"] == {(): 1.0}
    move_alias(registered, "1")
    samples = scrape(registered)
    assert list(samples["readmission_champion_info"]) == [("", "1")]
    assert samples["readmission_champion_disagreement"] == {(): 0.0}
    assert samples["readmission_promotions_total"]["promoted",] == 1
    move_alias(registered, "2")
    samples = scrape(registered)
    assert list(samples["readmission_champion_info"]) == [("", "2")]
    assert samples["readmission_champion_disagreement"] == {(): 1.0}


def test_the_champion_beside_known_scores_and_cards_of_clinicians(registered: Settings) -> None:
    reasons = [{"figure": "found_over_lace_low", "value": 0.084}, {"figure": "test_accuracy", "value": 0.5}]
    with postgres.transaction(registered, "train") as cursor:
        cursor.execute(
            "INSERT INTO training.promotions (decision, model_name, model_version, family, reasons, decided_by)"
            " VALUES ('promoted', %s, '1', 'f', %s, 'test')",
            (registered.mlflow.model_name, json.dumps(reasons)),
        )
    move_alias(registered, "1")
    with postgres.transaction(registered, "serving") as cursor:
        for number, reason in enumerate(("disagree", "disagree", "a reason of their own")):
            prediction = f"01890000-0000-7000-8000-00000000000{number}"
            cursor.execute(
                "INSERT INTO serving.predictions (prediction_id, predicted_at, model_name, model_version, inputs,"
                " inputs_sha256, prediction, p_no, p_late, p_early, missing, latency_ms, request_id)"
                " VALUES (%s, now(), 'm', '1', '{}', '', 'NO', 0.8, 0.1, 0.1, '{}', 1, '')",
                (prediction,),
            )
            cursor.execute(
                "INSERT INTO serving.card_feedback VALUES (%s, 'overridden', %s, '', now(), now())",
                (prediction, reason),
            )
    samples = scrape(registered)
    assert samples["readmission_champion_found_over_known_score"] == {("lace",): 0.084}
    cards = {("1", "overridden", "disagree"): 2.0, ("1", "overridden", "other"): 1.0}
    assert samples["readmission_card_feedback"] == cards


def test_while_mlflow_is_away_the_last_champion_stays_with_its_age(
    registered: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(registered, "1")
    move_alias(registered, "1")
    collector = DatabaseCollector(registered, every=0)
    before = scrape(registered, collector)
    monkeypatch.setattr(registered.mlflow, "uri", "http://127.0.0.1:9")
    after = scrape(registered, collector)
    assert after["readmission_service_up"]["mlflow",] == 0
    for name in ("readmission_champion_info", "readmission_champion_read_timestamp_seconds"):
        assert after[name] == before[name]


def test_without_an_answer_of_mlflow_no_champion_is_claimed(config: Settings) -> None:
    record(config, "1")
    samples = scrape(config)
    assert samples["readmission_exporter_database_up"] == {(): 1.0}
    assert not [name for name in samples if name.startswith("readmission_champion_")]


def test_the_exporter_may_read_no_table_and_no_row_of_a_patient(database: Settings) -> None:
    with postgres.transaction(database, "owner") as cursor:
        cursor.execute(
            "SELECT n.nspname, c.relname, c.relkind, array_agg(a.attname::text) FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
            " WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND c.relkind IN ('r', 'p', 'v', 'm')"
            " AND has_schema_privilege('readmission_exporter', n.oid, 'USAGE')"
            " AND has_any_column_privilege('readmission_exporter', c.oid, 'SELECT, INSERT, UPDATE') GROUP BY 1, 2, 3"
        )
        readable = cursor.fetchall()
    assert {schema for schema, *_ in readable} == {"metrics"} and {kind for _, _, kind, _ in readable} == {"v"}
    columns = {column for *_, names in readable for column in names}
    of_patients = {*contract.COLUMN_NAMES, *contract.TIME_NAMES, "prediction_id", "inputs", "content"}
    assert len(readable) >= 16 and not columns & of_patients


@pytest.mark.parametrize(
    "table",
    [
        "raw.batches",
        "raw.encounters",
        "raw.quarantine",
        "clean.encounters",
        "serving.predictions",
        "serving.predictions_default",
        "serving.feedback",
        "serving.scores",
        "training.promotions",
        "privacy.accesses",
        "monitoring.quality",
        "analyst.encounters",
    ],
)
def test_a_table_is_refused_to_the_exporter(database: Settings, table: str) -> None:
    with (
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
        postgres.transaction(database, "exporter") as cursor,
    ):
        cursor.execute(f"SELECT 1 FROM {table}")


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: str(query.name))
def test_every_query_runs_as_the_exporter_and_as_monitor_which_stood_in_for_it(
    postgres_server: Settings, query: Query
) -> None:
    """All figures are there, with both roles: an installation of before may have no password of the exporter yet."""
    roles: tuple[Role, ...] = ("exporter", "monitor")
    for role in roles:
        with postgres.transaction(postgres_server, role) as cursor:
            cursor.execute(query.sql, {"model_name": "m", "champion": "1"})


def test_without_a_password_of_its_own_it_asks_as_monitor(config: Settings) -> None:
    before = config.replace(postgres_password_exporter=None)
    assert scrape(before)["readmission_exporter_database_up"] == {(): 1.0}
    assert scrape(before).keys() == scrape(config).keys()


def test_names_are_those_of_the_field() -> None:
    for query in QUERIES:
        assert query.name.startswith("readmission_")
        assert query.name.endswith("_total") == (query.kind == "counter"), query.name
        assert not query.name.endswith(("_count", "_sum", "_bucket")), query.name
        assert query.text.endswith("."), query.name


def test_the_page_lists_every_metric_of_the_exporter_with_type_and_labels() -> None:
    real = {query.name: (query.kind, set(query.labels)) for query in QUERIES}
    assert documented("Exporter") == real | {name: ("gauge", set(labels)) for name, (_, labels) in OWN.items()}

"""No answer is lost: predictions and outcomes in a real database that may be away."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg2
import pytest

from readmission import contract
from readmission.settings import Settings
from tests.integration.api.tools import EXAMPLE, Starter, database_down, install, rows, until

STORED = "SELECT prediction_id::text FROM serving.predictions"


def test_predictions_reach_the_database_once_with_everything(
    start: Starter, database: Settings, compiled: dict[str, Path]
) -> None:
    install(database.home, compiled["lightgbm"], "1")
    api = start().wait("/readyz")
    first = api.http.post("/predict", json=EXAMPLE, headers={"x-request-id": "abc-1"})
    assert first.headers["x-request-id"] == "abc-1"
    many = api.http.post("/predict_batch", json={"records": [EXAMPLE, {"age": 1}, EXAMPLE]}).json()
    ids = {first.json()["prediction_id"], *(p["prediction_id"] for p in many["predictions"])}
    assert len(ids) == 3
    until(lambda: {row[0] for row in rows(database, STORED)} == ids)
    query = (
        "SELECT model_version, variant, inputs, prediction, p_no + p_late + p_early, missing, latency_ms, request_id,"
        " predicted_at, tableoid::regclass::text FROM serving.predictions WHERE request_id = 'abc-1'"
    )
    (row,) = rows(database, query)
    assert row[:2] == ("1", "champion") and row[2] == EXAMPLE and row[3] == first.json()["prediction"]
    assert row[4] == pytest.approx(1, abs=1e-6) and row[5] == first.json()["missing"] and 0 < row[6] < 1000
    assert row[8].isoformat(timespec="milliseconds")[:23] == first.json()["timestamp"][:23]
    assert row[9] == f"serving.predictions_{datetime.now(UTC):%Y_%m}"
    until(lambda: api.metric("readmission_log_stored_total") == 3)
    assert not list((database.home / "spool").glob("*.log"))


def test_the_codes_that_were_sent_are_stored_with_their_system(
    start: Starter, database: Settings, compiled: dict[str, Path]
) -> None:
    install(database.home, compiled["lightgbm"], "1")
    api = start().wait("/readyz")
    record = EXAMPLE | {"diag_1": "I50.9", "diag_2": "E1122", "diag_3": "E878", "icd": "10cm"}
    api.http.post("/predict", json=record)
    text = f"{','.join(record)}\n{','.join(str(value) for value in record.values())}\n"
    api.http.post("/predict_batch", content=text.encode(), headers={"content-type": "text/csv"})
    until(lambda: rows(database, "SELECT inputs FROM serving.predictions") == [(record,), (record,)])


def test_the_database_may_be_away(start: Starter, database: Settings, compiled: dict[str, Path]) -> None:
    install(database.home, compiled["lightgbm"], "1")
    api = start().wait("/readyz")
    until(lambda: api.predict().status_code == 200)
    until(lambda: len(rows(database, STORED)) == 1)
    with database_down(database):
        ids = [api.predict().json()["prediction_id"] for _ in range(300)]
        outcome = {"prediction_id": ids[0], "outcome": "<30"}
        assert api.http.post("/feedback", json=outcome).status_code == 202
        until(lambda: api.metric("readmission_log_backlog_bytes") > 0)
    until(lambda: {*ids} <= {row[0] for row in rows(database, STORED)})
    assert len(rows(database, STORED)) == 301
    until(lambda: rows(database, "SELECT outcome FROM serving.feedback") == [("<30",)])
    assert api.metric("readmission_log_dropped_total") == 0


@pytest.mark.parametrize("mode", ["sync", "group"])
def test_a_power_cut_loses_no_more_than_promised(
    start: Starter, database: Settings, compiled: dict[str, Path], mode: str
) -> None:
    install(database.home, compiled["lightgbm"], "1")
    with database_down(database):
        api = start(READMISSION_PREDICTION_LOG=mode).wait("/readyz")
        acknowledged: list[tuple[datetime, str]] = []

        def load() -> None:
            try:
                with httpx.Client(base_url=api.http.base_url, trust_env=False) as client:
                    while True:
                        answer = client.post("/predict", json=EXAMPLE)
                        acknowledged.append((datetime.now(UTC), answer.json()["prediction_id"]))
            except httpx.HTTPError:
                return

        threads = [threading.Thread(target=load) for _ in range(3)]
        for thread in threads:
            thread.start()
        until(lambda: len(acknowledged) > 200)
        api.kill()
        cut = datetime.now(UTC)
        for thread in threads:
            thread.join()
    start().wait()
    until(lambda: len(rows(database, STORED)) > 0)
    until(lambda: not list((database.home / "spool").glob("*.log")))
    stored = {row[0] for row in rows(database, STORED)}
    lost = [when for when, name in acknowledged if name not in stored]
    if mode == "sync":
        assert not lost
    # The writer waits 50 ms and then for the disk; the machine of the tests may be busy.
    assert all((cut - when).total_seconds() < 0.5 for when in lost)


def test_outcomes_are_recorded_once_and_unknown_ones_refused(
    start: Starter, database: Settings, compiled: dict[str, Path]
) -> None:
    install(database.home, compiled["lightgbm"], "1")
    api = start().wait("/readyz")
    ids = [api.predict().json()["prediction_id"] for _ in range(3)]
    until(lambda: len(rows(database, STORED)) == 3)
    outcome = {"prediction_id": ids[0], "outcome": ">30", "observed_at": "2026-01-02T03:04:05Z"}
    for _ in range(2):
        assert api.http.post("/feedback", json=outcome).json() == {"status": "recorded"}
    unknown = "01890000-0000-7000-8000-000000000000"
    assert api.http.post("/feedback", json=outcome | {"prediction_id": unknown}).status_code == 404
    several = [{"prediction_id": ids[1], "outcome": "NO"}, outcome | {"prediction_id": unknown}, {"outcome": 3}]
    answer = api.http.post("/feedback", json=several).json()
    assert (answer["recorded"], answer["unknown"]) == (1, 1)
    assert {e["index"]: e["errors"][0]["problem"] for e in answer["errors"]} == {1: "unknown", 2: "missing"}
    stored = rows(database, "SELECT prediction_id::text, outcome, observed_at FROM serving.feedback")
    assert sorted(row[:2] for row in stored) == sorted([(ids[0], ">30"), (ids[1], "NO")])
    for wrong in ({}, {**outcome, "outcome": "maybe"}, {**outcome, "observed_at": "2999-01-01T00:00:00Z"}):
        assert api.http.post("/feedback", json=wrong).status_code == 400


def test_the_api_cannot_change_what_is_not_its_own(database: Settings) -> None:
    import psycopg2

    connection = psycopg2.connect(database.database_url("serving").replace("+psycopg2", ""))
    connection.autocommit = True
    for statement in ("DELETE FROM serving.predictions", "SELECT 1 FROM clean.encounters", "CREATE TABLE serving.x ()"):
        with connection.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(statement)
    with connection.cursor() as cursor:
        cursor.execute("SELECT serving.ensure_month('2026-11-05'), serving.ensure_month('1999-01-01')")
    connection.close()
    assert len(contract.CLASSES) == 3


def test_the_end_waits_until_everything_is_stored(
    start: Starter, database: Settings, compiled: dict[str, Path]
) -> None:
    """Where the server is the first process of a container, its end is the end of the spool."""
    install(database.home, compiled["lightgbm"], "7")
    api = start(READMISSION_API_WORKERS=2).wait("/readyz")
    assert api.http.post("/predict_batch", json={"records": [EXAMPLE] * 5000}).status_code == 200
    owner = psycopg2.connect(database.database_url("owner").replace("+psycopg2", ""))
    owner.cursor().execute("LOCK TABLE serving.predictions IN ACCESS EXCLUSIVE MODE")
    timer = threading.Timer(4, owner.close)
    timer.start()
    assert api.stop() == 0
    timer.join()
    assert rows(database, "SELECT count(*) FROM serving.predictions") == [(5000,)]

"""Models come and go without a drop, and no answer is lost: real registry, real database, real processes."""

import json
import shutil
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx
import pytest

from readmission import contract
from readmission.settings import Settings
from tests.integration.api.tools import EXAMPLE, TOKEN, Registry, Starter, database_down, place, rows, until

BEARER = {"authorization": f"Bearer {TOKEN}"}
STORED = "SELECT prediction_id::text FROM serving.predictions"


def test_a_model_is_promoted_swapped_and_survives_everything_down(
    start: Starter, registry: Registry, compiled: dict[str, Path]
) -> None:
    api = start(**registry.environment()).wait()
    assert api.http.get("/readyz").status_code == 503
    refused = api.predict()
    assert refused.status_code == 503 and "no model is loaded" in refused.json()["error"]
    assert refused.headers["retry-after"]

    assert registry.publish(compiled["lightgbm"]) == "1"
    api.wait("/readyz")
    assert api.predict().json()["model_version"] == "1"
    registry.publish(compiled["decision_tree"])
    assert api.http.post("/reload-model").status_code == 401
    assert api.http.post("/reload-model", headers=BEARER).status_code == 202
    until(lambda: api.info()["model_version"] == "2")
    info = api.info()
    assert (info["family"], info["engine"], info["synthetic"]) == ("decision_tree", "lightgbm", True)
    assert api.metric("readmission_model_info", model_version="2", variant="champion") == 1
    assert api.metric("readmission_model_info", model_version="1") == 0
    assert api.metric("readmission_model_reloads_total", result="swapped") == 2
    assert api.stop() == 0

    cold = start(READMISSION_MODEL_NAME=registry.name, READMISSION_POSTGRES_PORT=9).wait("/readyz")
    assert cold.predict().json()["model_version"] == "2"
    until(lambda: cold.http.get("/health").json()["status"] == "degraded")
    assert "cannot be read" in cold.http.get("/health").json()["registry"]


def test_the_gauges_of_all_processes_tell_the_truth(
    start: Starter, registry: Registry, compiled: dict[str, Path]
) -> None:
    """A gauge that one process alone sets is 0 in the others; the page must not say that."""
    registry.publish(compiled["lightgbm"])
    api = start(**registry.environment()).wait("/readyz")
    until(lambda: api.metric("readmission_registry_up") == 1)
    until(lambda: api.metric("readmission_disk_free_bytes") > 1e6)
    assert api.metric("readmission_model_loaded_timestamp_seconds") > time.time() - 60
    memory = [
        float(line.rpartition(" ")[2])
        for line in api.http.get("/metrics").text.splitlines()
        if line.startswith("readmission_process_resident_memory_bytes{")
    ]
    assert len(memory) == 2, "the worker and the sidecar"
    assert min(memory) > 1e7


def test_what_must_not_be_served_is_not(
    start: Starter, registry: Registry, compiled: dict[str, Path], tmp_path: Path
) -> None:
    registry.publish(compiled["lightgbm"])
    api = start(**registry.environment()).wait("/readyz")

    def broken(change: Callable[[Path], None]) -> Path:
        folder = tmp_path / change.__name__
        shutil.copytree(compiled["decision_tree"], folder)
        change(folder)
        return folder

    def corrupt(folder: Path) -> None:
        (folder / "trees.txt").write_text("tree\nnonsense")

    def another_contract(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(manifest | {"contract_version": 99}))

    def no_manifest(folder: Path) -> None:
        (folder / "manifest.json").unlink()

    def wrong_answers(folder: Path) -> None:
        golden = json.loads((folder / "golden.json").read_text())
        golden[0]["probabilities"] = [0.1, 0.2, 0.7]
        (folder / "golden.json").write_text(json.dumps(golden))
        manifest = json.loads((folder / "manifest.json").read_text())
        from readmission.scorer.manifest import file_sha256

        manifest["files"]["golden.json"] = file_sha256(folder / "golden.json")
        (folder / "manifest.json").write_text(json.dumps(manifest))

    def is_refused(version: str, reason: str) -> bool:
        problem = api.info()["problem"] or ""
        return version in problem and reason in problem

    expected = {
        corrupt: "trees.txt is missing or is not what was compiled",
        another_contract: "contract version 99",
        no_manifest: "HTTP",
        wrong_answers: "golden rows",
    }
    for change, reason in expected.items():
        version = registry.publish(broken(change))
        until(partial(is_refused, version, reason))
        assert api.predict().json()["model_version"] == "1"
    assert api.metric("readmission_model_reloads_total", result="download_failed") == 3
    assert api.metric("readmission_model_reloads_total", result="failed") >= 1
    version = registry.publish(compiled["decision_tree"])
    until(lambda: api.info()["model_version"] == version)
    assert api.info()["problem"] == ""


def test_twenty_swaps_under_load_drop_and_mix_nothing(
    start: Starter, database: Settings, compiled: dict[str, Path]
) -> None:
    place(database.home, compiled["lightgbm"], "1")
    api = start(READMISSION_API_WORKERS=2).wait("/readyz")
    until(lambda: len(api.workers()) == 2)
    expected = {}
    place(database.home, compiled["decision_tree"], "2")
    until(lambda: all(w["champion"] == "2" for w in api.info()["workers"]))
    expected["even"] = api.predict().json()["probabilities"]
    place(database.home, compiled["lightgbm"], "3")
    until(lambda: all(w["champion"] == "3" for w in api.info()["workers"]))
    expected["odd"] = api.predict().json()["probabilities"]
    assert expected["odd"] != expected["even"]
    answers: list[tuple[int, dict]] = []
    stop = threading.Event()

    def load() -> None:
        with httpx.Client(base_url=api.http.base_url, trust_env=False) as client:
            while not stop.is_set():
                answer = client.post("/predict", json=EXAMPLE)
                answers.append((answer.status_code, answer.json()))

    def is_loaded(version: str) -> bool:
        return all(worker["champion"] == version for worker in api.info()["workers"])

    def is_answering(version: str) -> bool:
        return bool(answers[-1][1]["model_version"] == version)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: len(answers) > 10)
    for number in range(4, 24):
        place(database.home, compiled["lightgbm" if number % 2 else "decision_tree"], str(number))
        until(partial(is_loaded, str(number)), 5)
        until(partial(is_answering, str(number)), 5)
    stop.set()
    for thread in threads:
        thread.join()
    assert len(answers) > 100
    assert {code for code, _ in answers} == {200}
    versions = set()
    for _, answer in answers:
        versions.add(answer["model_version"])
        kind = "odd" if int(answer["model_version"]) % 2 else "even"
        assert answer["probabilities"] == expected[kind]
    assert len(versions) == 21


def test_predictions_reach_the_database_once_with_everything(
    start: Starter, database: Settings, compiled: dict[str, Path]
) -> None:
    place(database.home, compiled["lightgbm"], "1")
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


def test_the_database_may_be_away(start: Starter, database: Settings, compiled: dict[str, Path]) -> None:
    place(database.home, compiled["lightgbm"], "1")
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
    place(database.home, compiled["lightgbm"], "1")
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
    place(database.home, compiled["lightgbm"], "1")
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
    found = rows(database, "SELECT prediction_id::text, outcome, observed_at FROM serving.feedback")
    assert sorted(row[:2] for row in found) == sorted([(ids[0], ">30"), (ids[1], "NO")])
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

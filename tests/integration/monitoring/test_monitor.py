"""`readmission monitor`: reports of batches and of predictions, in the tables, the object store and MLflow."""

import csv
import io
import json
import uuid
from pathlib import Path

import pytest
from mlflow import MlflowClient

from readmission import contract
from readmission.data import snapshots
from readmission.features.encoding import request_frame
from readmission.monitoring import drift, records
from readmission.registry.aliases import RegistryError
from readmission.settings import Settings
from readmission.steps import ingest, monitor, process
from readmission.stores import objects, postgres
from tests.integration.monitoring.conftest import move_alias

ALL = {"source": "", "every": True}


@pytest.fixture
def batches(registered: Settings, sample: Path, tmp_path: Path) -> Settings:
    """Give settings of a database with a calm batch 2 and a batch 3 whose patients are all old."""
    first, rest = sample.read_text().split("\n", 1)
    rows = list(csv.DictReader(io.StringIO(rest)))
    for position, row in enumerate(rows):
        if position >= 1400:
            row["age"] = "[80-90)"
            row["payer_code"] = "MC"
    out = io.StringIO()
    out.write(first + "\n")
    writer = csv.DictWriter(out, contract.COLUMN_NAMES, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    source = tmp_path / "shifted.csv"
    source.write_text(out.getvalue())
    config = registered.replace(batch_size=700, drift_minimum_rows=200)
    ingest.run(config, source=str(source), every=True)
    process.run(config)
    return config


def query(config: Settings, text: str) -> list[tuple]:
    with postgres.transaction(config, "monitor") as cursor:
        cursor.execute(text)
        return cursor.fetchall()


def test_each_new_batch_has_one_report_and_only_the_shifted_one_alarms(batches: Settings) -> None:
    config = batches
    assert monitor.run(config) == ["batch=0002", "batch=0003"]
    assert monitor.run(config) == []
    reports = query(config, "SELECT report_id, judged, alarm, rows, report FROM monitoring.drift_reports ORDER BY 1")
    assert [row[:3] for row in reports] == [("batch=0002", True, []), ("batch=0003", True, ["age"])]
    page = objects.objects(config).get(reports[1][4]).decode()
    assert "ALARM: sustained drift of Age" in page
    assert page.count("data:image/png;base64,") == 3
    assert "http" not in page.replace("http-equiv", "")
    psi = dict(
        query(
            config,
            "SELECT column_name, psi FROM monitoring.drift WHERE report_id = 'batch=0003' AND window_name = 'batch'",
        )
    )
    assert set(psi) == set(contract.FEATURE_NAMES)
    assert psi["age"] > 2 < psi["payer_code"] + 2

    client = MlflowClient(config.mlflow.uri)
    experiment = client.get_experiment_by_name(f"{config.mlflow.experiment}_monitoring")
    assert experiment is not None
    monitor.run(config, again=True)
    runs = client.search_runs([experiment.experiment_id], "tags.report_id = 'batch=0003'")
    assert [run.data.tags["alarm"] for run in runs] == ["age"]
    assert runs[0].data.metrics["psi.age"] == pytest.approx(psi["age"], rel=1e-5)
    assert [item.path for item in client.list_artifacts(runs[0].info.run_id)] == ["report.html"]


def test_without_data_there_is_nothing_to_do(database: Settings) -> None:
    assert monitor.run(database) == []


def test_a_batch_of_too_few_rows_is_not_judged(batches: Settings) -> None:
    config = batches.replace(drift_minimum_rows=5000)
    monitor.run(config)
    assert query(config, "SELECT DISTINCT judged, alarm FROM monitoring.drift_reports") == [(False, [])]


def serve(config: Settings, records: list[dict[str, str | int]], request_id: str, hours: int = 1) -> None:
    """Write what the API would have logged so many hours ago."""
    with postgres.transaction(config, "serving") as cursor:
        for record in records:
            cursor.execute(
                "INSERT INTO serving.predictions (prediction_id, predicted_at, model_name, model_version, inputs,"
                " inputs_sha256, prediction, p_no, p_late, p_early, missing, latency_ms, request_id)"
                " VALUES (%s, now() - make_interval(hours => %s), %s, '1', %s, '', 'NO', 0.6, 0.3, 0.1, '{}', 1, %s)",
                (str(uuid.uuid4()), hours, config.mlflow.model_name, json.dumps(record), request_id),
            )


def promote(config: Settings) -> None:
    with postgres.transaction(config, "train") as cursor:
        cursor.execute(
            "INSERT INTO training.experiments (run_id, family, first_batch, last_batch, data_sha256, synthetic, seed,"
            " git_sha, metrics) VALUES ('r', 'f', 1, 2, '', true, 7, '', '{}')"
        )
        cursor.execute(
            "INSERT INTO training.promotions (decision, model_name, model_version, run_id, family, reasons, decided_by)"
            " VALUES ('promoted', %s, '1', 'r', 'f', '[]', 'test')",
            (config.mlflow.model_name,),
        )


def requests(config: Settings, rows: int) -> list[dict[str, str | int]]:
    frame = snapshots.find(config, up_to=2, role="monitor").frame()
    drawn = frame.sample(rows, random_state=1)[list(contract.FEATURE_NAMES)]
    whole = {c.name for c in contract.FEATURE_COLUMNS if c.is_number}
    return [
        {name: int(value) if name in whole else value for name, value in row.items() if value == value}
        for row in drawn.to_dict("records")
    ]


@pytest.fixture
def served(batches: Settings) -> Settings:
    """Give settings whose champion is version 1, trained on batches 1 and 2."""
    promote(batches)
    move_alias(batches, "1")
    return batches


def newest_report(config: Settings) -> tuple[int, bool, list[str]]:
    [written] = [name for name in monitor.run(config) if name.startswith("predictions=")]
    [report] = query(config, f"SELECT rows, judged, alarm FROM monitoring.drift_reports WHERE report_id = '{written}'")
    return report


def shifted(config: Settings, rows: int) -> list[dict[str, str | int]]:
    return [record | {"age": "[0-10)"} for record in requests(config, rows)]


def test_predictions_are_compared_with_the_training_data_in_windows_that_share_no_day(served: Settings) -> None:
    assert not [name for name in monitor.run(served) if name.startswith("predictions=")]
    serve(served, requests(served, 400), "r-1", hours=60)
    serve(served, requests(served, 400), "r-1")
    assert newest_report(served) == (400, True, [])
    windows = query(served, "SELECT DISTINCT window_name, window_rows FROM monitoring.drift WHERE report_id LIKE 'p%'")
    assert sorted(windows) == [("1 to 7 days ago", 400), ("last day", 400)]

    serve(served, shifted(served, 700) * 2, "r-2")
    assert newest_report(served)[1:] == (True, []), "one bad day does not confirm itself"
    serve(served, shifted(served, 700) * 2, "r-2", hours=60)
    assert newest_report(served)[1:] == (True, ["age"])


def test_what_is_not_about_patients_is_left_out(served: Settings) -> None:
    for prefix in ("probe-status", "load-17", "demo-0a"):
        serve(served, [dict(contract.EXAMPLE)] * 300, prefix)
    assert not [name for name in monitor.run(served) if name.startswith("predictions=")]


def test_requests_that_leave_columns_out_are_no_drift_of_patients(served: Settings) -> None:
    sent = {c.name for c in contract.FEATURE_COLUMNS if c.required} | {"number_inpatient", "diag_1"}
    partial = [{name: record[name] for name in sent if name in record} for record in requests(served, 600)]
    for hours in (1, 60):
        serve(served, partial, "r-1", hours)
    assert newest_report(served) == (600, True, [])
    absent = dict(query(served, "SELECT column_name, absent_now FROM monitoring.drift WHERE window_name = 'last day'"))
    assert set(absent) == sent, "columns that nobody sends have no figures"
    assert absent["age"] == 0


def test_small_batches_are_judged_together(batches: Settings, sample: Path) -> None:
    config = batches.replace(drift_minimum_rows=500)
    monitor.run(config)
    reports = query(config, "SELECT report_id, judged, rows FROM monitoring.drift_reports ORDER BY 1")
    assert reports[0][:2] == ("batch=0002", False), "nothing would be left to compare with"
    assert reports[1][0] == "batch=0003"
    assert (reports[1][1], reports[1][2] > 1000) == (True, True), "with the rows of batch 2"


def test_alarms_of_different_windows_are_not_united(batches: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {2: ["age"], 3: ["race"], 4: ["gender"]}
    monkeypatch.setattr(drift, "alarm", lambda windows, rule: names.get(len(windows), []))
    config = batches.replace(drift_minimum_rows=50, drift_window_rows=150)
    monitor.run(config)
    assert {tuple(row[0]) for row in query(config, "SELECT alarm FROM monitoring.drift_reports")} == {("age",)}


def test_predictions_of_the_version_that_the_alias_names_are_compared(batches: Settings) -> None:
    promote(batches)
    serve(batches, requests(batches, 400), "r-1")
    move_alias(batches, "2")
    assert not [name for name in monitor.run(batches) if name.startswith("predictions=")]
    assert query(batches, "SELECT DISTINCT model_version FROM monitoring.drift_reports") == [("2",)]


def test_a_report_is_kept_when_mlflow_goes_away_meanwhile(batches: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "find_champion", lambda settings: None)
    assert monitor.run(batches.replace(mlflow_uri="http://127.0.0.1:9"))


def test_without_mlflow_no_batch_is_measured_as_if_there_were_no_champion(batches: Settings) -> None:
    with pytest.raises(RegistryError, match=r"MLflow at http://127\.0\.0\.1:9"):
        monitor.run(batches.replace(mlflow_uri="http://127.0.0.1:9"))
    assert query(batches, "SELECT count(*) FROM monitoring.drift_reports") == [(0,)]


def test_a_request_becomes_the_row_that_training_saw(batches: Settings) -> None:
    frame = snapshots.find(batches, up_to=2, role="monitor").frame()
    again = request_frame(requests(batches, 300))
    original = frame.sample(300, random_state=1)[list(contract.FEATURE_NAMES)]
    assert (original.dtypes == again.dtypes).all()
    for name in contract.FEATURE_NAMES:
        assert original[name].isna().tolist() == again[name].isna().tolist()
        assert original[name].dropna().tolist() == again[name].dropna().tolist(), name


@pytest.mark.real
def test_the_real_batches_drift_in_paperwork_and_do_not_alarm(registered: Settings, real_source: Path) -> None:
    config = registered
    ingest.run(config, source=str(real_source), every=True)
    process.run(config)
    assert len(monitor.run(config)) == 6
    assert query(config, "SELECT DISTINCT judged, alarm FROM monitoring.drift_reports") == [(True, [])]
    [(paperwork,)] = query(
        config, f"SELECT count(*) FROM monitoring.drift WHERE administrative AND psi > {drift.DriftRule.moderate}"
    )
    assert paperwork > 50

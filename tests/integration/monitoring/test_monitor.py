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


def serve(config: Settings, records: list[dict[str, str | int]], request_id: str) -> None:
    """Write what the API would have logged."""
    with postgres.transaction(config, "serving") as cursor:
        for record in records:
            cursor.execute(
                "INSERT INTO serving.predictions (prediction_id, predicted_at, model_name, model_version, inputs,"
                " inputs_sha256, prediction, p_no, p_late, p_early, missing, latency_ms, request_id)"
                " VALUES (%s, now() - interval '1 hour', %s, '1', %s, '', 'NO', 0.6, 0.3, 0.1, '{}', 1, %s)",
                (str(uuid.uuid4()), config.mlflow.model_name, json.dumps(record), request_id),
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


def test_predictions_are_compared_with_the_training_data_and_probes_are_left_out(batches: Settings) -> None:
    config = batches
    promote(config)
    assert not [name for name in monitor.run(config) if name.startswith("predictions=")]
    move_alias(config, "1")
    serve(config, requests(config, 400), "r-1")
    serve(config, [dict(contract.EXAMPLE)] * 400, "probe-status")
    [written] = [name for name in monitor.run(config) if name.startswith("predictions=")]
    report = f"FROM monitoring.drift_reports WHERE report_id = '{written}'"
    assert query(config, f"SELECT rows, judged, alarm {report}") == [(400, True, [])]

    serve(config, [record | {"age": "[0-10)"} for record in requests(config, 700)] * 3, "r-2")
    monitor.run(config)
    assert query(config, f"SELECT alarm {report}") == [(["age"],)]


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

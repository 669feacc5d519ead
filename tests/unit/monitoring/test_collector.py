"""Rows of a query as a metric, and the end of a certificate."""

from pathlib import Path

from readmission.monitoring import collector
from readmission.monitoring.queries import Query
from tests.conftest import free_port, make_settings


def test_a_row_is_a_sample_and_one_without_a_number_is_none() -> None:
    query = Query(name="readmission_runs_total", kind="counter", text="Runs.", labels=("step",), sql="")
    metric = collector._family(query, [("train", 3), ("score", None)])
    assert metric.type == "counter"
    assert [(s.name, s.labels, s.value) for s in metric.samples] == [("readmission_runs_total", {"step": "train"}, 3.0)]


def test_registering_asks_nobody(tmp_path: Path) -> None:
    assert not list(collector.DatabaseCollector(make_settings(tmp_path)).describe())


def test_of_a_service_that_is_away_no_certificate_is_read() -> None:
    assert collector.certificate_end(f"https://127.0.0.1:{free_port()}/readyz") is None

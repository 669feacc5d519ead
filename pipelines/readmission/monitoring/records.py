"""Records of monitoring: the model that serves, and the drift reports."""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

import httpx
from psycopg2.extras import execute_values

from readmission.monitoring import reports
from readmission.monitoring.reports import DriftReport
from readmission.registry.aliases import find_champion
from readmission.settings import Settings
from readmission.stores import objects, postgres

log = logging.getLogger(__name__)

_INSERT_REPORT = """
INSERT INTO monitoring.drift_reports
    (report_id, subject, batch_id, reference, model_version, rows, judged, alarm, rule, report)
VALUES (%(report_id)s, %(subject)s, %(batch_id)s, %(reference)s, %(model_version)s, %(rows)s, %(judged)s, %(alarm)s,
    %(rule)s, %(report)s)
"""
_INSERT_COLUMNS = """
INSERT INTO monitoring.drift
    (report_id, window_name, window_rows, column_name, administrative, drifted, psi, psi_low, psi_high, psi_noise,
    jensen_shannon, wasserstein, missing_before, missing_now, absent_now)
VALUES %s
"""
#: Values of one row of `_INSERT_COLUMNS`, as `column_rows` names them.
_COLUMN = """
(%(report_id)s, %(window_name)s, %(window_rows)s, %(column_name)s, %(administrative)s, %(drifted)s, %(psi)s,
    %(psi_low)s, %(psi_high)s, %(psi_noise)s, %(jensen_shannon)s, %(wasserstein)s, %(missing_before)s, %(missing_now)s,
    %(absent_now)s)
"""


@dataclass(frozen=True)
class ServedModel:
    """Model version that serves.

    Attributes:
        version: Version of the registered model.
        last_batch: Last batch of its training data. None if its experiment is not recorded.
    """

    version: str
    last_batch: int | None


def served_model(settings: Settings) -> ServedModel | None:
    """Return the champion that MLflow's alias names, with its training from the ledger; None without one.

    Raises:
        RegistryError: MLflow does not answer. The version to judge is then unknown.
    """
    version = find_champion(settings)
    if version is None:
        return None
    with postgres.transaction(settings, "monitor") as cursor:
        cursor.execute(
            "SELECT max(e.last_batch) FROM training.promotions p JOIN training.runs e USING (run_id)"
            " WHERE p.model_name = %(model_name)s AND p.model_version = %(version)s",
            {"model_name": settings.mlflow.model_name, "version": version},
        )
        (last_batch,) = cursor.fetchone()
    return ServedModel(version, last_batch)


def keep_drift(
    settings: Settings,
    report_id: str,
    report: DriftReport,
    page: str,
    serving: ServedModel | None,
    batch_id: int | None,
) -> str:
    """Store one drift report: the page in the object store, its figures in the database, a run in MLflow.

    A report replaces the one of the same id.

    Args:
        settings: Stores.
        report_id: `batch=0003` or `predictions=2026-11-21`.
        report: Figures of the report.
        page: HTML of the report.
        serving: Model that served. None if there was none yet.
        batch_id: Batch that the report is about. None if it is about predictions.

    Returns:
        The report's id.
    """
    data = page.encode()
    key = f"monitoring/{report_id}/{sha256(data).hexdigest()}.html"
    objects.objects(settings).put(key, data)
    version = serving.version if serving else None
    row = _report_row(report_id, report, batch_id) | {"model_version": version, "report": key}
    _replace(settings, row, column_rows(report_id, report))
    log.info("%s: %s", report.title, reports.verdict(report))
    _link(settings, report_id, report, page, version)
    return report_id


def _replace(settings: Settings, row: Mapping[str, Any], columns: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows of one report in the place of those of the same id."""
    with postgres.transaction(settings, "monitor") as cursor:
        cursor.execute("DELETE FROM monitoring.drift_reports WHERE report_id = %(report_id)s", row)
        cursor.execute(_INSERT_REPORT, row)
        execute_values(cursor, _INSERT_COLUMNS, columns, template=_COLUMN)


def _report_row(report_id: str, report: DriftReport, batch_id: int | None) -> dict[str, Any]:
    return {
        "report_id": report_id,
        "subject": "predictions" if batch_id is None else "batch",
        "batch_id": batch_id,
        "reference": report.reference_name,
        "rows": list(report.sizes.values())[-1],
        "judged": report.judged,
        "alarm": list(report.alarm),
        "rule": json.dumps(asdict(report.rule)),
    }


def column_rows(report_id: str, report: DriftReport) -> list[dict[str, Any]]:
    """Return the rows of `monitoring.drift` of a report: one for each window and column."""
    return [
        {
            "report_id": report_id,
            "window_name": name,
            "window_rows": report.sizes[name],
            "column_name": column.column,
            "administrative": column.administrative,
            "drifted": column.beyond(report.rule.moderate),
            "psi": column.psi,
            "psi_low": column.low,
            "psi_high": column.high,
            "psi_noise": column.noise,
            "jensen_shannon": column.jensen_shannon,
            "wasserstein": column.wasserstein,
            "missing_before": column.missing_before,
            "missing_now": column.missing_now,
            "absent_now": column.absent_now,
        }
        for name, columns in report.windows.items()
        for column in columns
    ]


def _link(settings: Settings, report_id: str, report: DriftReport, page: str, version: str | None) -> None:
    """Show the report as a run of the experiment `<experiment>_monitoring`, and name it on the champion's version."""
    try:
        httpx.get(f"{settings.mlflow.tracking_uri}/health", timeout=5).raise_for_status()
    except httpx.HTTPError as error:
        log.warning("MLflow does not answer (%s): the report of %s is in the object store only", error, report_id)
        return
    from mlflow import MlflowClient  # its import takes two seconds
    from mlflow.entities import Metric

    client = MlflowClient(settings.mlflow.tracking_uri)
    name = f"{settings.mlflow.experiment}_monitoring"
    existing = client.get_experiment_by_name(name)
    experiment = existing.experiment_id if existing else client.create_experiment(name)
    for earlier in client.search_runs([experiment], f"tags.report_id = '{report_id}'"):
        client.delete_run(earlier.info.run_id)
    run = client.create_run(experiment, run_name=report_id, tags={"report_id": report_id})
    run_id = run.info.run_id
    client.log_text(run_id, page, "report.html")
    now = int(time.time() * 1000)
    client.log_batch(run_id, [Metric(f"psi.{entry.column}", entry.psi, now, 0) for entry in report.columns])
    client.set_tag(run_id, "alarm", ", ".join(report.alarm) or "none")
    client.set_terminated(run_id)
    if version is not None:
        client.set_model_version_tag(
            settings.mlflow.model_name, version, f"drift.{report_id.replace('=', '.')}", f"run {run_id}"
        )

"""Records of monitoring: who serves, and where a drift report is kept."""

import json
import logging
import time
from dataclasses import asdict, dataclass
from hashlib import sha256

import httpx
from psycopg2.extras import execute_values

from readmission.monitoring import reports
from readmission.monitoring.reports import DriftReport
from readmission.registry.aliases import find_champion
from readmission.settings import Settings
from readmission.stores import objects, postgres

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServedModel:
    """The model version that serves.

    Attributes:
        version: Version of the registered model.
        last_batch: The last batch of its training data; None if its experiment is not recorded.
    """

    version: str
    last_batch: int | None


def served_model(settings: Settings) -> ServedModel | None:
    """Return the champion that MLflow's alias names, with what the ledger tells of its training; None without one.

    Raises:
        RegistryError: MLflow does not answer. Which version to judge is then not known.
    """
    version = find_champion(settings)
    if version is None:
        return None
    with postgres.transaction(settings, "monitor") as cursor:
        cursor.execute(
            "SELECT max(e.last_batch) FROM training.promotions p JOIN training.experiments e USING (run_id)"
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
    """Keep one drift report: the page in the object store, its figures in the database, a run in MLflow.

    A report replaces the one of the same id.

    Args:
        settings: the stores.
        report_id: `batch=0003` or `predictions=2026-11-21`.
        report: the figures.
        page: the HTML.
        serving: the model that served; None: none yet.
        batch_id: the batch; None for predictions.

    Returns:
        The report's id.
    """
    data = page.encode()
    key = f"monitoring/{report_id}/{sha256(data).hexdigest()}.html"
    objects.objects(settings).put(key, data)
    version = serving.version if serving else None
    with postgres.transaction(settings, "monitor") as cursor:
        cursor.execute("DELETE FROM monitoring.drift_reports WHERE report_id = %s", (report_id,))
        cursor.execute(
            "INSERT INTO monitoring.drift_reports (report_id, subject, batch_id, reference, model_version, rows,"
            " judged, alarm, rule, report) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                report_id, "predictions" if batch_id is None else "batch", batch_id, report.reference_name, version,
                report.sizes[list(report.sizes)[-1]], report.judged, list(report.alarm),
                json.dumps(asdict(report.rule)), key,
            ),
        )  # fmt: skip
        execute_values(
            cursor,
            "INSERT INTO monitoring.drift (report_id, window_name, window_rows, column_name, administrative, drifted,"
            " psi, psi_low, psi_high, psi_noise, jensen_shannon, wasserstein, missing_before, missing_now) VALUES %s",
            [
                (
                    report_id, name, report.sizes[name], c.column, c.administrative, c.beyond(report.rule.moderate),
                    c.psi, c.low, c.high, c.noise, c.jensen_shannon, c.wasserstein, c.missing_before, c.missing_now,
                )
                for name, columns in report.windows.items()
                for c in columns
            ],
        )  # fmt: skip
    log.info("%s: %s", report.title, reports.verdict(report))
    _link(settings, report_id, report, page, version)
    return report_id


def _link(settings: Settings, report_id: str, report: DriftReport, page: str, version: str | None) -> None:
    """Show the report as a run of the experiment `<experiment>_monitoring`, and name it on the champion's version."""
    try:
        httpx.get(f"{settings.mlflow.tracking_uri}/health", timeout=5).raise_for_status()
    except httpx.HTTPError as error:
        log.warning("MLflow does not answer (%s): the report of %s is in the object store only", error, report_id)
        return
    from mlflow import MlflowClient  # two seconds to import
    from mlflow.entities import Metric

    client = MlflowClient(settings.mlflow.tracking_uri)
    name = f"{settings.mlflow.experiment}_monitoring"
    found = client.get_experiment_by_name(name)
    experiment = found.experiment_id if found else client.create_experiment(name)
    for old in client.search_runs([experiment], f"tags.report_id = '{report_id}'"):
        client.delete_run(old.info.run_id)
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

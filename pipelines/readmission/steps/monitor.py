"""Measurement of drift: a new batch against all before it, the predictions against the champion's training data."""

import logging
from datetime import UTC, datetime
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from readmission import tracing
from readmission.data import snapshots
from readmission.features.encoding import request_frame
from readmission.monitoring import drift, records, reports
from readmission.monitoring.records import ServedModel
from readmission.monitoring.reports import DriftReport
from readmission.monitoring.rules import rule_of
from readmission.settings import Settings
from readmission.stores import postgres

log = logging.getLogger(__name__)

#: Windows of the predictions, the longest first; days.
WINDOWS = {"30 days": 30, "7 days": 7, "1 day": 1}
#: Maximum number of predictions of one window that are read, the newest first.
MOST = 50_000


def run(
    settings: Settings,
    *,
    again: Annotated[bool, typer.Option(help="Measure batches again that already have a report.")] = False,
) -> list[str]:
    """Measure the drift of new batches and of recent predictions; write tables, HTML reports and MLflow runs.

    A report replaces the one of the same subject. Health probes among the predictions are skipped.

    Args:
        settings: Stores and rule.
        again: Whether to measure batches again that already have a report.

    Returns:
        Ids of the reports written.

    Raises:
        RegistryError: MLflow does not answer, so that the champion is unknown.
    """
    if not _any_clean(settings):
        log.info("nothing to measure: there is no clean batch yet")
        return []
    champion = records.served_model(settings)
    snapshot = snapshots.find(settings, role="monitor")
    frame = _with_score(settings, snapshot.frame(), champion)
    reported = set() if again else _reported(settings)
    new = [batch_id for batch_id in snapshot.batches[1:] if f"batch={batch_id:04d}" not in reported]
    written = [_batch(settings, frame, batch_id, champion) for batch_id in new]
    if champion is not None:
        written += _predictions(settings, frame, champion)
    return written


def _any_clean(settings: Settings) -> bool:
    with postgres.transaction(settings, "monitor") as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM clean.batches)")
        return bool(cursor.fetchone()[0])


def _reported(settings: Settings) -> set[str]:
    with postgres.transaction(settings, "monitor") as cursor:
        cursor.execute("SELECT report_id FROM monitoring.drift_reports WHERE subject = 'batch'")
        return {row[0] for row in cursor.fetchall()}


def _with_score(settings: Settings, frame: pd.DataFrame, champion: ServedModel | None) -> pd.DataFrame:
    """Add the champion's risk where `score` has written it, except for rows that trained it: theirs fits too well."""
    if champion is None:
        return frame
    with postgres.transaction(settings, "monitor") as cursor:
        cursor.execute(
            "SELECT encounter_id, p_early FROM serving.scores"
            " WHERE model_name = %(model_name)s AND model_version = %(version)s",
            {"model_name": settings.mlflow.model_name, "version": champion.version},
        )
        scores = dict(cursor.fetchall())
    if not scores:
        log.info(
            "no scores of version %s yet (`readmission score`): drift of the score is not measured", champion.version
        )
        return frame
    score = frame["encounter_id"].map(scores).astype(np.float64)
    return frame.assign(**{drift.SCORE: score.where(frame["split"] != "train")})


def _batch(settings: Settings, frame: pd.DataFrame, batch_id: int, champion: ServedModel | None) -> str:
    rule = rule_of(settings)
    reference, window = frame[frame["batch_id"] < batch_id], frame[frame["batch_id"] == batch_id]
    tracing.count(rows=len(window))
    bins = drift.Binning(reference)
    parts = slices(window, rule, settings.drift.window_rows)
    measured = [drift.compare(bins, part, settings.seed) for part in parts]
    judged = min(map(len, parts)) >= rule.minimum
    alarms = [drift.alarm(measured[: i + 1], rule) for i in range(len(measured))] if judged else []
    names = [f"part {i + 1}" for i in range(len(parts))]
    report = DriftReport(
        title=f"batch {batch_id}",
        reference_name=f"batches 1–{batch_id - 1} ({len(reference):,} rows)",
        windows=dict(zip(names, measured, strict=True)) | {"batch": drift.compare(bins, window, settings.seed)},
        sizes=dict(zip(names, map(len, parts), strict=True)) | {"batch": len(window)},
        alarm=sorted(set().union(*alarms)),
        judged=judged,
        rule=rule,
    )
    return records.keep_drift(
        settings, f"batch={batch_id:04d}", report, reports.html(report, bins, window), champion, batch_id
    )


def slices(window: pd.DataFrame, rule: drift.DriftRule, rows: int) -> list[pd.DataFrame]:
    """Cut a batch into windows of about `rows` rows, in the encounters' order; at least as many as the rule needs."""
    count = max(rule.windows, len(window) // rows)
    return [window.iloc[positions] for positions in np.array_split(np.arange(len(window)), count)]


def _predictions(settings: Settings, frame: pd.DataFrame, champion: ServedModel) -> list[str]:
    recent = {name: _recent(settings, champion, days) for name, days in WINDOWS.items()}
    recent = {name: window for name, window in recent.items() if len(window)}
    if not recent:
        log.info("no predictions of version %s in the last 30 days: nothing to compare", champion.version)
        return []
    last = champion.last_batch or int(frame["batch_id"].max())
    reference, rule = frame[frame["batch_id"] <= last], rule_of(settings)
    bins = drift.Binning(reference)
    measured = {name: drift.compare(bins, window, settings.seed) for name, window in recent.items()}
    judged = len(recent) >= rule.windows and all(len(w) >= rule.minimum for w in list(recent.values())[-rule.windows :])
    report = DriftReport(
        title=f"predictions of version {champion.version}",
        reference_name=f"the training data of version {champion.version}: batches 1–{last} ({len(reference):,} rows)",
        windows=measured,
        sizes={name: len(window) for name, window in recent.items()},
        alarm=drift.alarm(list(measured.values()), rule) if judged else [],
        judged=judged,
        rule=rule,
    )
    newest = list(recent.values())[-1]
    report_id = f"predictions={datetime.now(UTC):%Y-%m-%d}"
    return [records.keep_drift(settings, report_id, report, reports.html(report, bins, newest), champion, None)]


def _recent(settings: Settings, champion: ServedModel, days: int) -> pd.DataFrame:
    with postgres.transaction(settings, "monitor") as cursor:
        cursor.execute(
            "SELECT inputs, p_early FROM serving.predictions"
            " WHERE model_name = %(model_name)s AND model_version = %(version)s"
            " AND predicted_at > now() - make_interval(days => %(days)s) AND request_id NOT LIKE 'probe-%%'"
            " ORDER BY predicted_at DESC LIMIT %(most)s",
            {"model_name": settings.mlflow.model_name, "version": champion.version, "days": days, "most": MOST},
        )
        rows = cursor.fetchall()
    return request_frame([inputs for inputs, _ in rows]).assign(
        **{drift.SCORE: np.array([early for _, early in rows], np.float64)}
    )

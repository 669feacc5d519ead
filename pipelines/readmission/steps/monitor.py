"""Measurement of drift: a new batch against all before it, the predictions against the champion's training data."""

import logging
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from readmission import contract, tracing
from readmission.data import snapshots
from readmission.features.encoding import request_frame
from readmission.monitoring import drift, expectations, records, reports, windows
from readmission.monitoring.binning import SCORE, Binning
from readmission.monitoring.records import ServedModel
from readmission.monitoring.reports import DriftReport
from readmission.monitoring.rules import rule_of
from readmission.monitoring.traffic import NOT_PATIENTS
from readmission.settings import Settings
from readmission.stores import postgres

log = logging.getLogger(__name__)

#: Number of predictions of one window above which a sample is read, drawn evenly over its time.
MOST = 50_000

_BY_DAY = """
SELECT floor(extract(epoch FROM now() - predicted_at) / 86400)::int AS day, count(*) FROM serving.predictions
WHERE model_name = %(model_name)s AND model_version = %(version)s AND request_id NOT LIKE ALL (%(not_patients)s)
  AND predicted_at > now() - make_interval(days => %(span)s) GROUP BY 1
"""
# A hash of the id draws a sample that is even over time and the same at every run.
_SAMPLE = """
SELECT inputs, p_early FROM serving.predictions
WHERE model_name = %(model_name)s AND model_version = %(version)s AND request_id NOT LIKE ALL (%(not_patients)s)
  AND predicted_at > now() - make_interval(days => %(end)s)
  AND predicted_at <= now() - make_interval(days => %(start)s)
  AND (hashtextextended(prediction_id::text, 0) & 2147483647) < %(below)s
"""


def run(
    settings: Settings,
    *,
    again: Annotated[bool, typer.Option(help="Measure batches again that already have a report.")] = False,
) -> list[str]:
    """Measure the drift of new batches and of recent predictions; write tables, HTML reports and MLflow runs.

    A report replaces the one of the same subject. Predictions that are not about patients (health probes, load tests,
    the demo page) are skipped. The quality that the champion's risks promise is stored beside the drift.

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
        expectations.keep(settings, champion)
    return written


def _any_clean(settings: Settings) -> bool:
    with postgres.transaction(settings, "monitor") as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM clean.snapshots WHERE rows > 0)")
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
    return frame.assign(**{SCORE: score.where(frame["split"] != "train")})


def _batch(settings: Settings, frame: pd.DataFrame, batch_id: int, champion: ServedModel | None) -> str:
    rule = rule_of(settings)
    reference, window = windows.batch_window(frame, batch_id, rule)
    tracing.count(rows=int((window["batch_id"] == batch_id).sum()))
    bins = Binning(reference)
    parts = windows.slices(window, rule, settings.drift.window_rows)
    measured = [drift.compare(bins, part, settings.seed) for part in parts]
    judged = min(len(reference), *map(len, parts)) >= rule.minimum
    alarms = [drift.alarm(measured[: i + 1], rule) for i in range(len(measured))] if judged else []
    names = [f"part {i + 1}" for i in range(len(parts))]
    first, last = int(window["batch_id"].min()), int(reference["batch_id"].max())
    report = DriftReport(
        title=f"batch {batch_id}" + (f" with batches {first}–{batch_id - 1}" if first < batch_id else ""),
        reference_name=f"batches 1–{last} ({len(reference):,} rows)",
        windows=dict(zip(names, measured, strict=True)) | {"batch": drift.compare(bins, window, settings.seed)},
        sizes=dict(zip(names, map(len, parts), strict=True)) | {"batch": len(window)},
        # Columns that drifted at different times are no common alarm: the largest single one counts.
        alarm=max(alarms, key=len, default=[]),
        judged=judged,
        rule=rule,
    )
    return records.keep_drift(
        settings, f"batch={batch_id:04d}", report, reports.html(report, bins, window), champion, batch_id
    )


def _predictions(settings: Settings, frame: pd.DataFrame, champion: ServedModel) -> list[str]:
    rule = rule_of(settings)
    recent = _recent(settings, champion, rule.minimum)
    if not recent:
        log.info("no predictions of version %s in the last %s days: nothing to compare", champion.version, windows.SPAN)
        return []
    last = champion.last_batch or int(frame["batch_id"].max())
    reference = frame[frame["batch_id"] <= last]
    bins = Binning(reference)
    measured = {
        name: drift.compare(bins, window, settings.seed, absent=absent) for name, (window, absent) in recent.items()
    }
    sizes = {name: len(window) for name, (window, _) in recent.items()}
    judged = len(recent) >= rule.windows and min(list(sizes.values())[-rule.windows :]) >= rule.minimum
    report = DriftReport(
        title=f"predictions of version {champion.version}",
        reference_name=f"the training data of version {champion.version}: batches 1–{last} ({len(reference):,} rows)",
        windows=measured,
        sizes=sizes,
        alarm=drift.alarm(list(measured.values()), rule) if judged else [],
        judged=judged,
        rule=rule,
    )
    newest, absent = list(recent.values())[-1]
    report_id = f"predictions={_today(settings)}"
    page = reports.html(report, bins, newest, absent)
    return [records.keep_drift(settings, report_id, report, page, champion, None)]


def _today(settings: Settings) -> str:
    """Return the day by the clock of the database, which also says how old a prediction is."""
    with postgres.transaction(settings, "monitor") as cursor:
        cursor.execute("SELECT to_char(now(), 'YYYY-MM-DD')")
        return str(cursor.fetchone()[0])


def _recent(settings: Settings, champion: ServedModel, minimum: int) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    """Return, by window, the newest last, the typed frame of its predictions and what their requests left out."""
    arguments = {
        "model_name": settings.mlflow.model_name,
        "version": champion.version,
        "not_patients": list(NOT_PATIENTS),
        "span": windows.SPAN,
    }
    with postgres.transaction(settings, "monitor") as cursor:
        cursor.execute(_BY_DAY, arguments)
        by_day = dict(cursor.fetchall())
        rows = [by_day.get(day, 0) for day in range(windows.SPAN)]
        recent = {}
        for span in windows.day_spans(rows, minimum):
            share = min(1.0, MOST / sum(rows[span.start : span.end]))
            cursor.execute(_SAMPLE, {**arguments, "start": span.start, "end": span.end, "below": int(share * 2**31)})
            recent[str(span)] = _frames(cursor.fetchall())
    return recent


def _frames(rows: Sequence[tuple[Mapping[str, Any], float]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    inputs = [record for record, _ in rows]
    frame = request_frame(inputs).assign(**{SCORE: np.array([early for _, early in rows], np.float64)})
    absent = {name: [record.get(name) is None for record in inputs] for name in contract.FEATURE_NAMES}
    return frame, pd.DataFrame(absent, index=frame.index)

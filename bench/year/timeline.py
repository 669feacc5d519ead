"""The record of a simulated year, week by week: as data, as a table, as JSON."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from bench.year.system import System
from readmission.registry.aliases import find_champion

_ROWS = """
SELECT count(*), coalesce(sum(rows_read), 0), coalesce(sum(accepted), 0), coalesce(sum(quarantined), 0),
  coalesce(sum(duplicate), 0) FROM raw.batches WHERE finished >= %(since)s
"""
_LABELS = "SELECT coalesce(sum(rows - immature), 0), coalesce(sum(immature), 0) FROM clean.snapshots"
_TESTED = """
SELECT e.family, (e.metrics->>'test_roc_auc_30')::float FROM training.promotions p JOIN training.runs e USING (run_id)
WHERE p.model_version = %(version)s ORDER BY p.id DESC LIMIT 1
"""
#: Quality that the risks of the predictions promise, before their outcomes are known.
_EXPECTED = """
SELECT value, low, high, n FROM monitoring.expected_quality WHERE model_version = %(version)s
  AND metric = 'roc_auc_30' AND source = 'predictions' AND measured_on >= %(since)s::date
ORDER BY measured_on DESC LIMIT 1
"""
#: Quality in the last 30 days of the version with the most outcomes in them. Outcomes are due 30 days after the answer,
#: so that is the champion of a month ago; a champion that is replaced every four weeks would never have any.
_LIVE = """
SELECT value, low, high, n FROM monitoring.quality WHERE metric = 'roc_auc_30'
  AND slice = 'window' AND level = '30 days' AND measured_on >= %(since)s::date
ORDER BY n DESC, model_version::int DESC, source LIMIT 1
"""
#: The newest batch whose outcomes are known, by the newest version that was not trained on it.
_PREQUENTIAL = """
SELECT value, low, high, n FROM monitoring.quality WHERE metric = 'roc_auc_30'
  AND slice = 'batch' AND measured_on >= %(since)s::date ORDER BY level::int DESC, model_version::int DESC LIMIT 1
"""
_ALARMS = """
SELECT subject, coalesce(batch_id::text, ''), alarm FROM monitoring.drift_reports
WHERE measured_at >= %(since)s AND cardinality(alarm) > 0 ORDER BY subject, batch_id
"""
_DECISIONS = "SELECT retrain, reason FROM monitoring.decisions WHERE decided_at >= %(since)s ORDER BY id"
_TRAININGS = """
SELECT family, first_batch, last_batch, (metrics->>'val_roc_auc_30')::float FROM training.runs
WHERE trained_at >= %(since)s ORDER BY trained_at, family
"""
_PROMOTIONS = """
SELECT decision, model_version, replaced_version, family, reasons, decided_by FROM training.promotions
WHERE id > %(last)s ORDER BY id
"""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Estimate of a ROC-AUC with its 95 % interval, and the outcomes that it rests on."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(kw_only=True)
class Week:
    """What one simulated week brought.

    Attributes:
        number: From 1.
        end: Moment at which it ended.
        events: What the hospital, a person or a fault did.
        batches, read, accepted, quarantined, duplicate: Batches and rows that were ingested.
        mature, immature: Clean encounters with an outcome that may be learned, and those without.
        asked: Predictions that the API gave.
        champion, family: Version that answers and its family; empty without one.
        tested: Test ROC-AUC of the champion at its promotion.
        expected: ROC-AUC that its risks of the last days promise.
        live: ROC-AUC on outcomes that became due in the last 30 days, of the version that gave most of these answers.
        prequential: ROC-AUC on the newest batch with outcomes, of the newest version that was not trained on it.
        alarms: Drift alarms, with their columns.
        decisions: Decisions whether to retrain, with their reasons.
        trained: Models that were trained.
        promotions: Decisions on the champion, with their reasons.
        violations: Invariants that did not hold.
    """

    number: int
    end: datetime
    events: list[str] = field(default_factory=list)
    batches: int = 0
    read: int = 0
    accepted: int = 0
    quarantined: int = 0
    duplicate: int = 0
    mature: int = 0
    immature: int = 0
    asked: int = 0
    champion: str = ""
    family: str = ""
    tested: float | None = None
    expected: Interval | None = None
    live: Interval | None = None
    prequential: Interval | None = None
    alarms: list[str] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    trained: list[str] = field(default_factory=list)
    promotions: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


class Recorder:
    """Reader of what the system has written down since the last week.

    Args:
        system: The system.
        since: Simulated moment at which it was started.
    """

    def __init__(self, system: System, since: datetime) -> None:
        self._system, self._since, self._last = system, since, 0

    def read(self, week: Week, until: datetime) -> None:
        """Fill in what the tables say of a week."""
        since = {"since": self._since}
        ((week.batches, *counts),) = self._system.query(_ROWS, **since)
        week.read, week.accepted, week.quarantined, week.duplicate = map(int, counts)
        ((mature, immature),) = self._system.query(_LABELS)
        week.mature, week.immature = int(mature), int(immature)
        week.alarms = [
            f"{subject}{' ' * bool(batch)}{batch}: {', '.join(columns)}"
            for subject, batch, columns in self._system.query(_ALARMS, **since)
        ]
        week.decisions = [
            f"{'retrain' if retrain else 'no retraining'}: {reason}"
            for retrain, reason in self._system.query(_DECISIONS, **since)
        ]
        week.trained = [
            f"{family} on batches {first}-{last}, validation ROC-AUC {value:.3f}"
            for family, first, last, value in self._system.query(_TRAININGS, **since)
        ]
        self._read_promotions(week)
        self._read_quality(week)
        self._since = until

    def _read_promotions(self, week: Week) -> None:
        week.promotions = [describe(*row) for row in self._system.query(_PROMOTIONS, last=self._last)]
        self._last += len(week.promotions)

    def _read_quality(self, week: Week) -> None:
        week.champion = find_champion(self._system.settings) or ""
        if not week.champion:
            return
        arguments = {"version": week.champion, "since": self._since}
        for family, tested in self._system.query(_TESTED, **arguments):
            week.family, week.tested = family, tested
        for row in self._system.query(_EXPECTED, **arguments):
            week.expected = _interval(row)
        for row in self._system.query(_LIVE, since=self._since):
            week.live = _interval(row)
        for row in self._system.query(_PREQUENTIAL, since=self._since):
            week.prequential = _interval(row)


def _interval(row: tuple[Any, ...]) -> Interval:
    value, low, high, n = row
    return Interval(value=value, low=low, high=high, n=n)


def describe(
    decision: str,
    version: str | None,
    replaced: str | None,
    family: str | None,
    reasons: Sequence[Mapping[str, Any]],
    who: str,
) -> str:
    """Return a row of the ledger as one sentence."""
    if decision == "refused":
        failed = [f"{r['gate']} {_figure(r['value'])}, {r['limit']}" for r in reasons if not r["passed"]]
        return f"refused a {family}: {'; '.join(failed)}"
    if decision == "rolled back":
        return f"rolled back from {replaced} to {version} by {who}: {reasons[0]['reason']}"
    return f"promoted {version} ({family}){f' instead of {replaced}' if replaced else ''} by {who}"


def _figure(value: float | None) -> str:
    return "missing" if value is None else f"{value:.4g}"


def as_json(weeks: Sequence[Week], summary: Mapping[str, Any]) -> str:
    """Return the timeline as JSON. It has no wall-clock time and no random id: the same seed gives the same text."""
    return json.dumps(dict(summary) | {"weeks": [asdict(week) for week in weeks]}, indent=1, default=str)


def digest(text: str) -> str:
    """Return the hash by which two years are compared."""
    return hashlib.sha256(text.encode()).hexdigest()


def header() -> str:
    """Return the head of the table."""
    return (
        "week  ends        read accepted quarant. duplic. mature   asked  champion  tested  "
        "expected              live 30 days          unseen batch"
    )


def line(week: Week) -> str:
    """Return a week as a line of the table, and what was special about it on lines of their own."""
    tested = f"{week.tested:.3f}" if week.tested is not None else ""
    row = (
        f"{week.number:>4}  {week.end:%Y-%m-%d} {week.read:>5} {week.accepted:>8} {week.quarantined:>8} "
        f"{week.duplicate:>7} {week.mature:>6}  {week.asked:>6}  {week.champion:>8}  {tested:>6}  "
        f"{week.expected or ''!s:<20}  {week.live or ''!s:<20}  {week.prequential or ''!s}"
    )
    notes = [
        *(("event", text) for text in week.events),
        *(("alarm", text) for text in week.alarms),
        *(("decision", text) for text in week.decisions if not text.startswith("no retraining: no batch waits")),
        *(("trained", text) for text in week.trained),
        *(("champion", text) for text in week.promotions),
        *(("VIOLATED", text) for text in week.violations),
    ]
    return "\n".join([row.rstrip(), *(f"      {kind:>9}  {text}" for kind, text in notes)])

"""Decision whether to retrain, stored with its figures. It trains nothing and bypasses no gate."""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import typer

from readmission.data import snapshots
from readmission.data.snapshots import NoCleanBatchError
from readmission.monitoring import records
from readmission.registry import runs
from readmission.settings import Settings
from readmission.stores import postgres

log = logging.getLogger(__name__)

#: Distance by which the whole interval of live ROC-AUC must lie below the test value to count as a loss.
MARGIN = 0.01
#: Number of outcomes that live quality must rest on, and that must be known of patients who drift.
LEAST_OUTCOMES = 500
#: Hours after which a clean batch should have been trained on by the ordinary chain of DAGs.
PATIENCE_HOURS = 2.0

_UNTRAINED = """
SELECT count(*) FROM clean.snapshots
WHERE rows > immature AND batch_id > coalesce((SELECT max(last_batch) FROM training.runs), 0)
  AND finished < now() - make_interval(secs => %(patience)s)
"""
_ALARMS = """
SELECT DISTINCT ON (subject) subject, alarm FROM monitoring.drift_reports
WHERE judged AND measured_at > coalesce((SELECT max(trained_at) FROM training.runs), '-infinity')
ORDER BY subject, batch_id DESC NULLS LAST, measured_at DESC
"""
# Known outcomes of encounters since an alarm began. The windows that must agree on predictions reach a week back.
_LEARNABLE = """
WITH began AS (
  SELECT subject, min(batch_id) AS batch_id, min(measured_at) - interval '7 days' AS at
  FROM monitoring.drift_reports r WHERE judged AND cardinality(alarm) > 0 AND measured_at > coalesce((
    SELECT max(measured_at) FROM monitoring.drift_reports q
    WHERE q.subject = r.subject AND q.judged AND cardinality(q.alarm) = 0), '-infinity')
  GROUP BY subject)
SELECT subject, count(e.encounter_id) FROM began LEFT JOIN (clean.encounters e JOIN raw.batches b USING (batch_id))
  ON e.readmitted IS NOT NULL
  AND CASE WHEN subject = 'batch' THEN e.batch_id >= began.batch_id ELSE coalesce(e.discharged_at, b.finished) >= at END
GROUP BY subject"""
_LIVE = """
SELECT high FROM monitoring.quality
WHERE model_version = %(version)s AND metric = 'roc_auc_30' AND slice = 'all'
  AND n >= %(least)s AND coverage >= %(coverage)s
ORDER BY measured_on DESC, n DESC LIMIT 1
"""
_TESTED = """
SELECT (e.metrics->>'test_roc_auc_30')::float FROM training.promotions p JOIN training.runs e USING (run_id)
WHERE p.model_name = %(model_name)s AND p.model_version = %(version)s ORDER BY p.id DESC LIMIT 1
"""
#: Families that were trained on the same data, by the same code, as the champion.
_BESIDE = """
SELECT DISTINCT r.family FROM training.promotions p JOIN training.runs c USING (run_id)
JOIN training.runs r ON (r.data_sha256, r.code) = (c.data_sha256, c.code)
WHERE p.model_name = %(model_name)s AND p.model_version = %(version)s
"""
_ERASED = """
SELECT count(DISTINCT a.erasure_id) FROM privacy.affected_models a JOIN training.promotions p USING (run_id)
WHERE p.model_name = %(model_name)s AND p.model_version = %(version)s
"""
#: Whether the decision before said already that nothing new can be learned.
_WARNED = "SELECT nothing_new FROM monitoring.decisions ORDER BY id DESC LIMIT 1"
_WAITED = "SELECT extract(epoch FROM now() - max(decided_at))::float / 3600 FROM monitoring.decisions WHERE retrain"


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Figures that a decision rests on.

    Attributes:
        champion: Version that serves; empty if there is none.
        untrained_batches: Number of clean batches, older than PATIENCE_HOURS, that no model was trained on.
        drifted: Columns of the alarms measured since the newest training, by subject.
        drifted_outcomes: Known outcomes of encounters since each alarm began, by subject.
        live_roc_auc_high: Upper bound of live ROC-AUC. None if outcomes are missing, too few or too partial.
        test_roc_auc: Test ROC-AUC of the champion at its promotion; None if it is not recorded.
        learnable: Whether `train` would train anything: data, code, libraries or seed differ from those of every
            training before.
        hours_since_retraining: Hours since the last decision to retrain; None if there was none.
        erased: Erased patients whom the champion was trained on; 0 unless the settings ask for a retraining.
    """

    champion: str
    untrained_batches: int
    drifted: dict[str, list[str]]
    drifted_outcomes: dict[str, int]
    live_roc_auc_high: float | None
    test_roc_auc: float | None
    learnable: bool
    hours_since_retraining: float | None
    erased: int = 0


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Decision of the rule.

    Attributes:
        retrain: Whether to retrain.
        reason: Why or why not.
        nothing_new: Whether drift or quality asks for a retraining that would give the same models again.
    """

    retrain: bool
    reason: str
    nothing_new: bool = False


def run(settings: Settings) -> list[str]:
    """Decide from batches, drift and live quality whether to retrain, and record the decision with its reason.

    The exit code for "nothing to do" tells an orchestrator not to train. Whether a trained model serves is decided
    later, by the gates of `promote` alone. Where nothing new can be learned, a person has to act.

    Args:
        settings: Database and rule.

    Returns:
        The reasons to retrain. Empty if there is none.
    """
    figures = read_figures(settings)
    decision = decide(figures, settings.drift.columns, settings.monitoring.retrain_cooldown_hours)
    with postgres.transaction(settings, "monitor") as cursor:
        warned = _read_value(cursor, _WARNED, {})
        cursor.execute(
            "INSERT INTO monitoring.decisions (retrain, reason, nothing_new, figures)"
            " VALUES (%(retrain)s, %(reason)s, %(nothing_new)s, %(figures)s)",
            asdict(decision) | {"figures": json.dumps(asdict(figures))},
        )
    typer.echo(f"{'Retrain' if decision.retrain else 'Did not retrain'} because {decision.reason}.")
    if decision.nothing_new and not warned:
        log.warning("no training can help any more, so a person has to act: %s", decision.reason)
    return [decision.reason] if decision.retrain else []


def decide(figures: Figures, columns: int, cooldown_hours: float) -> Decision:
    """Apply the rule.

    Args:
        figures: Figures that the decision rests on.
        columns: Number of clinical columns in sustained drift that justify retraining.
        cooldown_hours: Minimum time between two retrainings for drift or quality.
    """
    if not figures.champion:
        return Decision(retrain=False, reason="there is no champion yet: the ordinary training comes first")
    if figures.untrained_batches:
        return Decision(
            retrain=True, reason=f"no model was trained on the newest {figures.untrained_batches} clean batches"
        )
    reasons, waiting = _drifts(figures, columns)
    if figures.erased:
        reasons.append(f"the champion was trained on {figures.erased} patients who were erased since")
    live, test = figures.live_roc_auc_high, figures.test_roc_auc
    if live is not None and test is not None and live < test - MARGIN:
        reasons.append(f"live ROC-AUC is at most {live:.3f}, tested was {test:.3f}")
    if waiting and not reasons:
        return Decision(retrain=False, reason=waiting)
    if not reasons:
        most = max(map(len, figures.drifted.values()), default=0)
        quality = "live quality is not known" if live is None else f"live ROC-AUC reaches up to {live:.3f}"
        reason = f"no batch waits, {most} clinical columns drift ({columns} are asked for), and {quality}"
        return Decision(retrain=False, reason=reason)
    if not figures.learnable:
        reason = f"there is nothing new to learn from since the newest training, although {' and '.join(reasons)}"
        return Decision(retrain=False, reason=reason, nothing_new=True)
    waited = figures.hours_since_retraining
    if waited is not None and waited < cooldown_hours:
        reason = f"of the cooldown of {cooldown_hours:g} h ({waited:.1f} h ago), although {' and '.join(reasons)}"
        return Decision(retrain=False, reason=reason)
    return Decision(retrain=True, reason=" and ".join(reasons))


def _drifts(figures: Figures, columns: int) -> tuple[list[str], str]:
    """Return the drifts that can be learned from; without any, what is said of the others."""
    drifts = {
        subject: f"{len(names)} clinical columns of the {subject} drift ({', '.join(names)})"
        for subject, names in figures.drifted.items()
        if len(names) >= columns
    }
    ready = [drift for subject, drift in drifts.items() if figures.drifted_outcomes.get(subject, 0) >= LEAST_OUTCOMES]
    if ready or not drifts:
        return ready, ""
    most = max(figures.drifted_outcomes.get(subject, 0) for subject in drifts)
    few = f"of the patients since then only {most} outcomes are known ({LEAST_OUTCOMES} are asked for)"
    return ready, f"{few}, although {' and '.join(drifts.values())}"


def read_figures(settings: Settings) -> Figures:
    """Read the current figures from the database, and the champion from MLflow.

    Raises:
        RegistryError: MLflow does not answer.
    """
    champion = records.served_model(settings)
    arguments = {
        "patience": PATIENCE_HOURS * 3600,
        "model_name": settings.mlflow.model_name,
        "version": champion.version if champion else None,
        "least": LEAST_OUTCOMES,
        "coverage": settings.monitoring.outcome_coverage,
    }
    with postgres.transaction(settings, "monitor") as cursor:
        untrained = _read_value(cursor, _UNTRAINED, arguments)
        cursor.execute(_ALARMS)
        drifted = {subject: list(names) for subject, names in cursor.fetchall()}
        cursor.execute(_LEARNABLE)
        drifted_outcomes = dict(cursor.fetchall())
        live = _read_value(cursor, _LIVE, arguments)
        test = _read_value(cursor, _TESTED, arguments)
        waited = _read_value(cursor, _WAITED, arguments)
        retrains = settings.privacy.erased_models == "retrain"
        erased = _read_value(cursor, _ERASED, arguments) if retrains else 0
    return Figures(
        champion=champion.version if champion else "",
        untrained_batches=int(untrained or 0),
        drifted=drifted,
        drifted_outcomes=drifted_outcomes,
        live_roc_auc_high=live,
        test_roc_auc=test,
        learnable=_is_learnable(settings, champion.version if champion else None),
        hours_since_retraining=waited,
        erased=int(erased or 0),
    )


def _is_learnable(settings: Settings, champion: str | None) -> bool:
    """Return whether a family trained beside the champion has not been trained on the clean batches of now."""
    try:
        snapshot = snapshots.find(settings, role="monitor")
    except NoCleanBatchError:
        return False
    done = runs.trained(settings, runs.current_key(settings, snapshot.sha256), role="monitor")
    with postgres.transaction(settings, "monitor") as cursor:
        cursor.execute(_BESIDE, {"model_name": settings.mlflow.model_name, "version": champion})
        families = {family for (family,) in cursor.fetchall()}
    return not families <= done.keys() if families else not done


def _read_value(cursor: Any, query: str, arguments: Mapping[str, object]) -> Any:
    cursor.execute(query, arguments)
    row = cursor.fetchone()
    return row[0] if row else None

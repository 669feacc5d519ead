"""Read how versions do in use: live quality, and what clinicians did with cards."""

from readmission.evaluation.in_use import CardCounts, LiveFigure
from readmission.settings import Role, Settings
from readmission.stores import postgres

#: Figures of live quality that a model card shows.
_SHOWN = ["roc_auc_30", "ece_30", "prevalence_30", "recall_at_alert_10"]
_QUALITY = """
SELECT model_version, measured_on, CASE slice WHEN 'all' THEN 'all' ELSE slice || ' ' || level END, metric, n, value
FROM (
  SELECT DISTINCT ON (slice, level, metric) * FROM monitoring.quality
  WHERE model_version = %(version)s AND metric = ANY(%(metrics)s)
  ORDER BY slice, level, metric, measured_on DESC, source DESC
) newest ORDER BY slice <> 'all', slice, level, metric"""


def live_figures(settings: Settings, version: str | None) -> tuple[LiveFigure, ...]:
    """Return the newest live figures of one version; empty without a version, or if no outcome is known."""
    if version is None:
        return ()
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(_QUALITY, {"version": version, "metrics": _SHOWN})
        names = ("version", "measured_on", "group", "metric", "encounters", "value")
        return tuple(LiveFigure(**dict(zip(names, row, strict=True))) for row in cursor.fetchall())


def card_feedback(settings: Settings, role: Role = "train") -> tuple[CardCounts, ...]:
    """Return how many cards clinicians accepted or overrode, by version and reason."""
    with postgres.transaction(settings, role) as cursor:
        cursor.execute("SELECT model_version, outcome, reason, cards FROM monitoring.card_feedback ORDER BY 1, 2, 3")
        return tuple(CardCounts(version=v, outcome=o, reason=r, cards=n) for v, o, r, n in cursor.fetchall())

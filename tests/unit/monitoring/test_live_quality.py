"""Live quality: a group whose outcomes are those of the measurement before keeps its intervals."""

import numpy as np
import pandas as pd
import pytest

from readmission.evaluation import metrics
from readmission.monitoring import live_quality
from readmission.monitoring.live_quality import Group, QualityFigure


def outcomes(rows: int = 2_000) -> pd.DataFrame:
    random = np.random.default_rng(4)
    risks = random.uniform(0.05, 0.4, rows)
    return pd.DataFrame(
        {
            "p_no": 0.95 - risks,
            "p_late": 0.05,
            "p_early": risks,
            "patient": random.integers(0, rows // 2, rows).astype(str),
            "outcome": np.where(random.random(rows) < risks, "<30", "NO"),
            "race": random.choice(["Caucasian", "Asian"], rows),
            "gender": "Female",
            "age": None,
            "days_due": random.uniform(0, 200, rows),
            "batch": None,
        }
    )


def by_group(figures: list[QualityFigure]) -> dict[tuple[str, str], Group]:
    groups: dict[tuple[str, str], Group] = {}
    for figure in figures:
        groups.setdefault((figure.slice, figure.level), {})[figure.metric] = figure
    return groups


def test_everybody_groups_and_windows_are_measured() -> None:
    groups = by_group(list(live_quality.figures(outcomes(), 7, {})))
    assert {("all", "all"), ("race", "Asian"), ("age", "unknown"), ("window", "30 days")} <= set(groups)
    assert set(groups["all", "all"]) == {*live_quality.METRICS, live_quality.PREDICTED}
    area = groups["all", "all"]["roc_auc_30"].interval
    assert area.low < area.value < area.high


def test_what_has_not_changed_is_not_resampled_and_what_has_is(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = outcomes()
    first = list(live_quality.figures(rows, 7, {}))
    resampled = []
    intervals = metrics.intervals

    def count(scored: metrics.Scored, *arguments: int) -> dict[str, metrics.Interval]:
        resampled.append(len(scored.y))
        return intervals(scored, *arguments)

    monkeypatch.setattr(metrics, "intervals", count)
    # The order of the rows is the database's.
    assert list(live_quality.figures(rows.iloc[::-1], 7, by_group(first))) == first and resampled == []

    # One outcome is corrected: that of an Asian patient, due long ago.
    patient = rows.index[(rows["race"] == "Asian") & (rows["outcome"] == "NO") & (rows["days_due"] > 90)][0]
    corrected = rows.assign(outcome=rows["outcome"].where(rows.index != patient, "<30"))
    second = list(live_quality.figures(corrected, 7, by_group(first)))
    asian = int((rows["race"] == "Asian").sum())
    assert sorted(resampled) == sorted([len(rows), len(rows), len(rows), asian])  # everybody, gender, age; Asian
    assert second == list(live_quality.figures(corrected, 7, {}))

"""The model beside the known scores: the same alerts, the same patients."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from readmission import contract
from readmission.data import content, sources
from readmission.evaluation import metrics, score_comparison
from readmission.evaluation.metrics import Scored
from readmission.features import encoding
from readmission.features.known_scores import SCORES


def rows(count: int = 4000) -> tuple[Scored, dict[str, metrics.Array]]:
    random = np.random.default_rng(3)
    truth = random.normal(size=count)
    y = np.where(truth + random.normal(size=count) > 2, contract.EARLY, 0)
    early = 1 / (1 + np.exp(-truth))
    points = {name: random.integers(0, 9, count).astype(float) for name in SCORES}
    return Scored(y, np.column_stack([(1 - early) / 2, (1 - early) / 2, early]), np.arange(count)), points


def test_a_model_that_knows_more_finds_more_and_chance_is_not_better_than_chance() -> None:
    scored, points = rows()
    comparisons = score_comparison.compare_scores(scored, points, seed=7)
    assert [each.score for each in comparisons] == list(SCORES)
    for each in comparisons:
        assert each.recall == pytest.approx(0.1, abs=0.05) and each.roc_auc == pytest.approx(0.5, abs=0.05)
        assert each.difference.low > 0.1 and each.model_recall == metrics.measure(scored)["recall_at_alert_10"]
    figures = score_comparison.gate_figures(comparisons)
    assert set(figures) == {"found_over_lace_low", "found_over_hospital_low", "found_over_inpatient_stays_low"}
    same = score_comparison.compare_scores(scored, dict.fromkeys(points, scored.early), seed=7)
    assert {each.difference.low for each in same} == {0.0}


def test_points_rank_as_they_are() -> None:
    scored, points = rows(500)
    ranked = score_comparison.as_scored(scored, points["lace"])
    np.testing.assert_allclose(ranked.probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(np.argsort(ranked.early, kind="stable"), np.argsort(points["lace"], kind="stable"))


@pytest.mark.real
def test_the_scores_on_the_real_test_split(real_source: Path, tmp_path: Path) -> None:
    """The figures that docs/model.md states."""
    data = content.unzip(real_source.read_bytes(), real_source.name)
    frame = encoding.typed_frame(sources.parse(data, "real")[0].to_pandas())
    frame = frame[~frame["discharge_disposition_id"].isin(contract.EXCLUDED_DISPOSITIONS)]
    frame = frame[[encoding.split_of(patient) == "test" for patient in frame["patient_nbr"]]]
    y = encoding.target(frame)
    blank = Scored(y, np.zeros((len(y), 3)), frame["patient_nbr"].to_numpy())
    rounded = {}
    for name, points in score_comparison.score_frame(frame).items():
        figures = metrics.measure(score_comparison.as_scored(blank, points))
        rounded[name] = tuple(round(figures[key], 3) for key in ("roc_auc_30", "pr_auc_30", "recall_at_alert_10"))
    assert len(y) == 14_731
    assert rounded == {
        "lace": (0.575, 0.142, 0.139),
        "hospital": (0.593, 0.161, 0.173),
        "inpatient_stays": (0.607, 0.179, 0.208),
    }


def test_unknown_columns_add_no_points() -> None:
    points = score_comparison.score_frame(pd.DataFrame({"time_in_hospital": [3.0, np.nan]}))
    assert points["lace"].tolist() == [3, 0] and points["hospital"].tolist() == [0, 0]

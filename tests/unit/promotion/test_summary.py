"""What a person reads before approving: the candidate, its figures, its verdict, and that it fits a pod's message."""

from readmission.evaluation.gates import Check, Verdict
from readmission.promotion import summary
from readmission.promotion.candidates import Judgement

from .test_candidates import MODEL


def judgement(waived: str = "") -> Judgement:
    checks = [
        Check(gate=f"gate_{i}", figure="f", value=1.0, limit="at least 0", passed=True, reason="r") for i in range(22)
    ]
    checks.append(
        Check(gate="fair_risk", figure="f", value=1.3, limit="at most 1.25", passed=True, reason="r", waived=waived)
    )
    figures = {"test_roc_auc_30": 0.68421, "test_recent_ece_any": 0.038, "difference_low": -0.001}
    return Judgement(candidate=MODEL, verdict=Verdict(tuple(checks)), figures=figures, files={})


def test_figures_verdict_and_run_are_named() -> None:
    text = summary.describe(judgement(), "3")
    assert "**lightgbm** of batches 1-7 replaces version 3." in text and "`r1`" in text
    assert "| test, ROC-AUC of readmission within 30 days | 0.6842 |" in text
    assert "| lower end of its 95 % interval | -0.0010 |" in text and "PR-AUC" not in text
    assert "All 23 gates are met." in text and "SYNTHETIC" not in text
    assert len(text) < 2000


def test_a_waiver_is_named_and_a_first_champion_replaces_nothing() -> None:
    text = summary.describe(judgement("Ada: 60 events"), None)
    assert "is the first champion" in text
    assert "of these fair_risk (waived by Ada: 60 events)." in text

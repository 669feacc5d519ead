"""What the card and the dossier say of one version."""

from dataclasses import replace

import pandas as pd
import pytest

from readmission.contract.risk import OperatingPoint
from readmission.evaluation import model_card
from readmission.evaluation.fairness import Slice
from readmission.evaluation.gates import Check, Verdict
from readmission.evaluation.metrics import Interval
from readmission.evaluation.model_card import Facts
from readmission.evaluation.ranking import ALERT_RATES
from readmission.evaluation.score_comparison import Comparison

_AT_ALERTS = [f"{name}_at_alert_{rate * 100:.0f}" for name in ("recall", "precision") for rate in ALERT_RATES]
_ASIAN = Slice(
    column="race",
    level="Asian",
    rows=1234,
    prevalence=0.101,
    predicted=0.102,
    recall=0.103,
    promised=0.104,
    alerts=0.105,
    roc_auc=0.606,
    judged=True,
)
_LACE = Comparison(
    score="lace",
    roc_auc=0.571,
    pr_auc=0.142,
    recall=0.143,
    model_recall=0.245,
    difference=Interval(0.1018, 0.0842, 0.1168),
)


@pytest.fixture
def facts() -> Facts:
    fair = Check(gate="fair_risk", figure="risk_ratio", value=1.19, limit="at most 1.25", passed=True, reason="r")
    auc = Check(gate="auc", figure="test_roc_auc_30", value=None, limit="at least 0.6", passed=False, reason="a | b")
    # A value of its own for each metric, so that a page that shows another one is wrong.
    intervals = {
        name: Interval(i / 100, i / 100 - 0.001, i / 100 + 0.001)
        for i, name in enumerate([*model_card.METRICS, *_AT_ALERTS], 11)
    }
    return Facts(
        name="readmission",
        family="lightgbm",
        lineage={"MLflow run": "abc", "data (sha256 of the snapshot)": "0689", "seed": "7"},
        rows={"train": 7000, "test": 1500},
        patients={"train": 5000, "test": 1100},
        synthetic=False,
        intervals=intervals,
        points=(OperatingPoint(rule="alert 10%", threshold=0.2, alerts=0.1, recall=0.25, precision=0.3),),
        slices=[_ASIAN, replace(_ASIAN, level="Other", rows=99, judged=False)],
        comparisons=[_LACE],
        verdict=Verdict((fair, auc)),
        importance=pd.DataFrame({"permutation": [0.02], "shap": [float("nan")], "own": [0.4]}, index=["age"]),
        earlier=pd.DataFrame(),
    )

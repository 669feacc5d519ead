"""The drift report: its sentence, and a page that loads nothing."""

import numpy as np
import pandas as pd
import pytest

from readmission import contract
from readmission.monitoring import drift, reports
from readmission.monitoring.binning import Binning
from readmission.monitoring.reports import DriftReport

RULE = drift.DriftRule(minimum=100)


def age_drift(psi: float) -> drift.ColumnDrift:
    return drift.ColumnDrift(
        column="age",
        administrative=False,
        psi=psi,
        low=psi - 0.05,
        high=psi + 0.05,
        noise=0.01,
        jensen_shannon=0.3,
        wasserstein=0.4,
        missing_before=0.0,
        missing_now=0.125,
    )


def report(psi: float, *, judged: bool = True, alarm: tuple[str, ...] = (), title: str = "batch 3") -> DriftReport:
    return DriftReport(
        title=title,
        reference_name="batches 1-2",
        windows={"part 1": [age_drift(psi)], "part 2": [age_drift(psi)], "batch": [age_drift(psi)]},
        sizes={"part 1": 40, "part 2": 60, "batch": 100},
        alarm=alarm,
        judged=judged,
        rule=RULE,
    )


@pytest.mark.parametrize(
    ("drift_report", "sentence"),
    [
        (report(0.3, judged=False, alarm=("age",)), "Not judged: a window has fewer than 100 rows."),
        (report(0.3, alarm=("age",)), f"ALARM: sustained drift of {contract.BY_NAME['age'].label}."),
        (report(0.3), f"No alarm. Drifted: {contract.BY_NAME['age'].label};"),
        (report(0.1), "No alarm: no clinical column reaches PSI 0.2."),
    ],
)
def test_the_verdict_says_what_the_rule_decided(drift_report: DriftReport, sentence: str) -> None:
    assert reports.verdict(drift_report).startswith(sentence)


def test_the_page_escapes_its_title_and_loads_nothing() -> None:
    columns = {column.name: pd.Series([np.nan] * 8) for column in contract.FEATURE_COLUMNS}
    frame = pd.DataFrame(columns).assign(age=[contract.BY_NAME["age"].levels[0]] * 8)
    page = reports.html(report(0.3, alarm=("age",), title="a < b"), Binning(frame), frame)
    assert "<h1>Drift: a &lt; b</h1>" in page and "class=alarm" in page
    assert page.count("src='data:image/png;base64,") == page.count("src=") == 3
    assert "http" not in page and "12.5%" in page

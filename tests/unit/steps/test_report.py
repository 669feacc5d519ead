"""The report's rows."""

import numpy as np

from readmission.evaluation import metrics, recalibration
from readmission.evaluation.metrics import Scored
from readmission.steps import report


def test_every_row_of_the_report_is_a_metric_that_is_measured() -> None:
    random = np.random.default_rng(1)
    scored = Scored(random.integers(0, 3, 300), random.dirichlet((5, 3, 1), 300), np.arange(300))
    assert set(report.HEADLINE) - {"recent_ece_any"} <= set(metrics.measure(scored))
    assert recalibration.newest_error(scored, 50, 7).value >= 0

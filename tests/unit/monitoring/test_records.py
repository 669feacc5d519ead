"""The rows of a drift report in the database."""

import re

from readmission.monitoring import drift, records
from readmission.monitoring.reports import DriftReport

ENTRY = drift.ColumnDrift(
    column="age",
    administrative=False,
    psi=0.3,
    low=0.25,
    high=0.35,
    noise=0.01,
    jensen_shannon=0.3,
    wasserstein=0.4,
    missing_before=0.0,
    missing_now=0.125,
)


def test_a_report_has_one_row_for_each_window_and_column() -> None:
    report = DriftReport(
        title="batch 3",
        reference_name="batches 1-2",
        windows={"part 1": [ENTRY], "batch": [ENTRY]},
        sizes={"part 1": 40, "batch": 100},
        alarm=[],
        judged=True,
        rule=drift.DriftRule(),
    )
    rows = records.column_rows("batch=0003", report)
    assert [(row["window_name"], row["window_rows"]) for row in rows] == [("part 1", 40), ("batch", 100)]
    assert all(row["drifted"] and row["psi_low"] == 0.25 and row["psi_noise"] == 0.01 for row in rows)
    # The row names exactly the parameters of the statement, in the order of its columns.
    parameters = re.findall(r"%\((\w+)\)s", records._COLUMN)
    assert parameters == list(rows[0])
    assert re.findall(r"\w+", records._INSERT_COLUMNS.split("(")[1].split(")")[0]) == parameters

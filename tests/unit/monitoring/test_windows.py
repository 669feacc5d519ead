"""Windows that do not overlap, grow until they can be judged, and reach over small batches."""

import numpy as np
import pandas as pd
import pytest

from readmission.monitoring import windows
from readmission.monitoring.drift import DriftRule

RULE = DriftRule(minimum=500, windows=2)


def batches(*sizes: int) -> pd.DataFrame:
    return pd.DataFrame({"batch_id": np.repeat(np.arange(1, len(sizes) + 1), sizes)})


def days(**rows: int) -> list[int]:
    counts = [0] * windows.SPAN
    for name, number in rows.items():
        counts[int(name[1:])] = number
    return counts


def test_windows_of_predictions_share_no_day() -> None:
    spans = windows.day_spans([1000] * windows.SPAN, RULE.minimum)
    assert [(span.start, span.end) for span in spans] == [(7, 30), (1, 7), (0, 1)]
    assert list(map(str, spans)) == ["7 to 30 days ago", "1 to 7 days ago", "last day"]


def test_the_predictions_of_one_day_are_one_window() -> None:
    assert list(map(str, windows.day_spans(days(d0=100_000), RULE.minimum))) == ["last day"]


def test_a_small_hospital_waits_for_enough_rows() -> None:
    spans = windows.day_spans([150] * windows.SPAN, RULE.minimum)
    assert list(map(str, spans)) == ["10 to 30 days ago", "4 to 10 days ago", "last 4 days"]


def test_without_predictions_there_is_no_window() -> None:
    assert windows.day_spans(days(), RULE.minimum) == []


@pytest.mark.parametrize(
    ("sizes", "batch", "judged", "compared"),
    [
        ((5000, 5000, 5000), 3, {3}, {1, 2}),
        ((5000, *[280] * 6), 7, {4, 5, 6, 7}, {1, 2, 3}),
        ((280, 280, 280), 3, {3}, {1, 2}),  # too few rows altogether: the batch stands alone and is not judged
        ((600, 280, 280), 3, {3}, {1, 2}),
        ((5000, 700, 700, 9000), 3, {2, 3}, {1}),
    ],
)
def test_small_batches_are_judged_together(
    sizes: tuple[int, ...], batch: int, judged: set[int], compared: set[int]
) -> None:
    reference, window = windows.batch_window(batches(*sizes), batch, RULE)
    assert (set(window["batch_id"]), set(reference["batch_id"])) == (judged, compared)


def test_a_window_has_as_many_parts_as_the_rule_needs() -> None:
    assert [len(part) for part in windows.slices(batches(1000), RULE, 2500)] == [500, 500]
    assert [len(part) for part in windows.slices(batches(7500), RULE, 2500)] == [2500] * 3

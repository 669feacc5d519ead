"""What a person reads of the comparison: no look, no winner, a winner."""

import pytest

from readmission.evaluation.sequential import SequentialTest
from readmission.steps import compare


@pytest.mark.parametrize(
    ("winner", "looks", "next_events", "phrase"),
    [
        ("", 0, 100, "Version 4 against 3: no look yet. 120 early readmissions are known of the arm with fewer."),
        ("", 1, 200, "no winner after 1 looks (difference of ROC-AUC +0.0120, give or take 0.0300)"),
        ("champion", 2, 0, "version 3, the champion, is better"),
        ("challenger", 2, 0, "version 4, the challenger, is better"),
    ],
)
def test_the_state_is_said(winner: str, looks: int, next_events: int, phrase: str) -> None:
    result = SequentialTest(
        winner=winner,  # type: ignore[arg-type]
        looks=looks,
        events=120,
        next_events=next_events,
        difference=0.012,
        half_width=0.03,
    )
    assert phrase in compare.describe(result, "3", "4")

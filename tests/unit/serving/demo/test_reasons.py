"""What moved an estimate, in the words of the form."""

from typing import Any

from serving.demo.reasons import SHOWN, draw_reasons

EXPLANATION: dict[str, Any] = {
    "unit": "log_odds",
    "contributions": {
        "weight": 0.01,
        "number_inpatient": 0.69,
        "A1Cresult": -0.3,
        "diag_1": 0.2,
        "history": -0.1,
        "race": 0.05,
        "payer_code": -0.02,
    },
}


def test_the_largest_contributions_stand_first_in_the_users_words() -> None:
    drawn = draw_reasons(EXPLANATION, {"number_inpatient": 4, "diag_1": "428"})
    expected = (
        "Inpatient stays in the year before: 4</dt>",
        "HbA1c test: Not tested</dt>",
        "Primary diagnosis: 428 · Heart failure</dt>",
        "Stored earlier stays: none used, as no patient number is sent</dt>",
        "Race: not known</dt>",
        "The other 2 entries together</dt>",
    )
    positions = [drawn.index(text) for text in expected]
    assert positions == sorted(positions)
    assert drawn.count('<div class="reason') == SHOWN + 1
    assert "associations, not causes" in drawn


def test_bars_go_both_ways_from_the_middle() -> None:
    drawn = draw_reasons(EXPLANATION, {})
    assert 'class="reason raises"' in drawn and 'class="reason lowers"' in drawn
    assert "width:50.0%" in drawn, "the largest reaches the end"
    assert "raises <small>odds × 1.99</small>" in drawn
    assert "lowers <small>odds × 0.74</small>" in drawn


def test_units_without_odds_have_no_figure_and_no_explanation_nothing() -> None:
    assert "odds" not in draw_reasons({**EXPLANATION, "unit": "margin"}, {})
    assert draw_reasons(None, {}) == ""


def test_values_are_escaped() -> None:
    assert "<b>" not in draw_reasons(EXPLANATION, {"diag_1": "<b>"})

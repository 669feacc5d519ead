"""The known scores on the page: points, their maximum, and what the data lacks."""

from serving.demo.known_scores import draw_known_scores

SCORES = [
    {"name": "lace", "label": "LACE", "points": 7, "maximum": 19, "limits": "Approximation: <three> diagnoses."},
    {"name": "inpatient_stays", "label": "Stays", "points": 2, "maximum": None, "limits": "A column."},
]


def test_every_score_is_shown_with_its_limits_and_escaped() -> None:
    page = draw_known_scores(SCORES)
    assert "LACE: <b>7 of 19 points</b>" in page and "Stays: <b>2</b>" in page
    assert "&lt;three&gt;" in page and "<three>" not in page


def test_an_answer_without_scores_draws_nothing() -> None:
    assert draw_known_scores([]) == ""

"""The table of a method's figures: what a line changes, and no calibration of points."""

from readmission.evaluation import method_table
from readmission.evaluation.metrics import Interval

FIGURES = {name: Interval(0.5, 0.4, 0.6) for name in method_table.SHOWN}
CHANGE = {name: Interval(-0.0074, -0.0113, -0.0036) for name in method_table.CHANGES}


def test_a_line_shows_what_it_changes_and_a_score_its_ranking_alone() -> None:
    lines = {"lightgbm": FIGURES, "  newest 3": FIGURES | CHANGE, "LACE": FIGURES}
    head, rule, base, changed, score, published = method_table.markdown(lines, {"LACE"}, published=True)
    assert {row.count("|") for row in (head, rule, base, changed, score, published)} == {11}
    assert changed.count("0.5000 [0.4000, 0.6000]") == 7 and changed.count("-0.0074 [-0.0113, -0.0036]") == 2
    assert base.endswith("| 0.5000 [0.4000, 0.6000] |  |  |")
    assert score.count("0.5000") == 2


def test_made_up_data_is_not_compared_with_papers() -> None:
    assert "published" not in "".join(method_table.markdown({"lightgbm": FIGURES}, (), published=False))

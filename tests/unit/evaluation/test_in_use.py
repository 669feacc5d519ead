"""Versions in use, as a section of the model card."""

from datetime import date

from readmission.evaluation import in_use
from readmission.evaluation.in_use import CardCounts, LiveFigure


def test_figures_and_counts_are_tables_and_nothing_is_a_sentence() -> None:
    figure = LiveFigure(
        version="3", measured_on=date(2026, 11, 8), group="all", metric="ece_30", encounters=1234, value=0.0312
    )
    cards = CardCounts(version="3", outcome="accepted", reason="", cards=2)
    text = in_use.markdown([figure], [cards])
    assert "| 3 | 2026-11-08 | all | ece_30 | 1,234 | 0.0312 |" in text
    assert "| 3 | accepted | none stated | 2 |" in text and "never an outcome" in text
    assert "no outcome is known yet" in in_use.markdown([], []) and "|" not in in_use.markdown([], [])

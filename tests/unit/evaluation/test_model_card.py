"""The model card: what it says of purpose, groups, gates and features, and the page it becomes."""

from dataclasses import replace

import pandas as pd
import pytest

from readmission.contract.risk import INTENDED_USE
from readmission.evaluation import model_card
from readmission.evaluation.model_card import Facts
from tests.unit.evaluation.test_refits import RECORD


def test_the_card_states_the_intended_use_and_every_section_once(facts: Facts) -> None:
    card = model_card.markdown(facts)
    assert INTENDED_USE in card and "SYNTHETIC" not in card
    titles = [line for line in card.splitlines() if line.startswith("## ")]
    assert len(titles) == len(set(titles)) == 12
    assert "SYNTHETIC" in model_card.markdown(replace(facts, synthetic=True))


@pytest.mark.parametrize(
    "row",
    [
        "| train | 7,000 | 5,000 |",
        "| LACE | 0.571 | 0.142 | 0.143 | 0.245 | 0.1018 [0.0842, 0.1168] | Approximation: comorbidity from three "
        "diagnoses instead of all, emergency visits of a year instead of six months. |",
        "| alert 10% | 0.200 | 10.0% | 0.250 | 0.300 |",
        "| race Asian | 1,234 | 0.101 | 0.102 | 0.105 | 0.103 | 0.104 | 0.606 | yes |",
        "| race Other | 99 | 0.101 | 0.102 | 0.105 | 0.103 | 0.104 | 0.606 | no |",
        "| auc | test_roc_auc_30 | missing | at least 0.6 | **no** | a \\| b |",
        "| age | 0.0200 |  | 0.400 |",
        "| seed | `7` |",
    ],
)
def test_a_row_shows_its_figures_in_order(facts: Facts, row: str) -> None:
    assert row in model_card.markdown(facts).splitlines()


def test_earlier_champions_are_a_table_or_none(facts: Facts) -> None:
    assert "There was none." in model_card.markdown(facts)
    earlier = pd.DataFrame({"model_version": ["3"], "test_roc_auc_30": [0.65432]})
    assert "| model version | test roc auc 30 |\n| --- | --- |\n| 3 | 0.6543 |" in model_card.markdown(
        replace(facts, earlier=earlier)
    )


def test_the_page_escapes_the_title_and_lets_no_html_in() -> None:
    page = model_card.html("# Card\n\n<script>alert(1)</script>\n\n| a |\n|---|\n| b |", "a < b")
    assert "<title>a &lt; b</title>" in page and "<td>b</td>" in page
    assert "<script>" not in page


def test_the_operating_points_are_those_of_what_serves(facts: Facts) -> None:
    card = model_card.markdown(facts)
    assert "Chosen and measured on validation, by" in card and "| 0.345 |" not in card
    card = model_card.markdown(replace(facts, refit=RECORD))
    assert "## Whose figures these are\n\nThe figures below" in card
    assert "scores of patients that each fold had not seen" in card and "| alert 10% | 0.345 | 10.0% |" in card

"""The stopping rule: equal models get no winner, a better one wins, and the ROC-AUC is scikit-learn's."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from readmission.evaluation import sequential


def replay(seed: int, rows: int, edge: float = 0.0, canary: bool = False) -> pd.DataFrame:
    """Draw encounters in order; both models see the truth through noise, the champion through `edge` more of it."""
    random = np.random.default_rng(seed)
    odds = random.normal(-2.2, 0.8, rows)
    event = random.random(rows) < 1 / (1 + np.exp(-odds))
    challenger = odds + random.normal(0, 0.4, rows)
    champion = odds + random.normal(0, 0.4 + edge, rows)
    patient = random.integers(0, rows, rows)
    answers = pd.DataFrame({"patient": patient, "event": event, "champion": champion, "challenger": challenger})
    if canary:
        chosen = patient % 2 == 0
        answers["champion"] = answers["champion"].mask(chosen)
        answers["challenger"] = answers["challenger"].mask(~chosen)
    return answers


@pytest.mark.parametrize("canary", [False, True])
def test_two_equal_models_get_no_winner_in_95_percent_of_the_replays(canary: bool) -> None:
    results = [sequential.compare(replay(seed, 8000, canary=canary)) for seed in range(200)]
    assert np.mean([bool(result.winner) for result in results]) <= 0.05
    assert min(result.looks for result in results if not result.winner) >= (2 if canary else 3)


def test_a_better_challenger_wins_and_is_not_asked_again() -> None:
    result = sequential.compare(replay(1, 8000, edge=1.5))
    assert (result.winner, result.next_events) == ("challenger", 0)
    assert result.difference > result.half_width > 0


def test_a_worse_challenger_loses() -> None:
    answers = replay(1, 8000, edge=1.5).rename(columns={"champion": "challenger", "challenger": "champion"})
    assert sequential.compare(answers).winner == "champion"


def test_between_two_looks_nothing_changes() -> None:
    answers = replay(2, 4000)
    reached = answers["event"].cumsum()
    first, later = (sequential.compare(answers[reached <= events]) for events in (210, 390))
    assert (first.difference, first.looks, first.next_events) == (later.difference, later.looks, 400)
    assert later.events == 390


def test_before_the_first_look_there_is_no_figure() -> None:
    result = sequential.compare(replay(2, 100))
    assert (result.winner, result.looks, result.next_events) == ("", 0, 100)
    assert np.isnan(result.difference)
    assert sequential.compare(replay(2, 0)).events == 0


def test_the_area_is_that_of_scikit_learn_and_its_error_that_of_the_bootstrap() -> None:
    random = np.random.default_rng(5)
    event = random.random(2000) < 0.2
    risks = np.round(random.normal(event * 0.5, 1), 1)
    roc_auc, parts = sequential._roc_auc(risks, event)
    assert roc_auc == pytest.approx(roc_auc_score(event, risks))
    drawn = []
    for _ in range(300):
        rows = random.integers(0, 2000, 2000)
        drawn.append(roc_auc_score(event[rows], risks[rows]))
    assert np.sqrt((parts**2).sum()) == pytest.approx(np.std(drawn), rel=0.15)

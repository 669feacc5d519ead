"""When a champion is trained again, and why not."""

import pytest

from readmission.steps import retrain
from readmission.steps.retrain import Figures

CALM = Figures(
    champion="1",
    untrained_batches=0,
    drifted={"batch": []},
    drifted_outcomes={"batch": 500},
    live_roc_auc_high=0.69,
    test_roc_auc=0.68,
    learnable=True,
    hours_since_retraining=None,
)


@pytest.mark.parametrize(
    ("changes", "retrained", "phrase"),
    [
        ({}, False, "no batch waits"),
        ({"champion": ""}, False, "no champion yet"),
        ({"untrained_batches": 2}, True, "newest 2 clean batches"),
        ({"drifted": {"batch": ["age", "insulin"]}}, False, "2 clinical columns drift"),
        ({"drifted": {"batch": ["age", "insulin", "change"]}}, True, "3 clinical columns of the batch"),
        ({"drifted": {"batch": ["a", "b", "c"]}, "hours_since_retraining": 3.0}, False, "cooldown of 24 h"),
        (
            {"drifted": {"batch": ["a", "b", "c"]}, "drifted_outcomes": {"batch": 499}},
            False,
            "of the patients since then only 499 outcomes are known (500 are asked for), although 3 clinical columns",
        ),
        (
            {"drifted": {"batch": ["a", "b", "c"]}, "drifted_outcomes": {}, "live_roc_auc_high": 0.66},
            True,
            "live ROC-AUC is at most 0.660",
        ),
        ({"live_roc_auc_high": 0.66}, True, "live ROC-AUC is at most 0.660"),
        ({"live_roc_auc_high": 0.675}, False, "reaches up to 0.675"),
        ({"live_roc_auc_high": 0.66, "learnable": False}, False, "nothing new to learn from"),
        ({"drifted": {"batch": ["a", "b", "c"]}, "learnable": False}, False, "although 3 clinical columns"),
        ({"untrained_batches": 2, "learnable": False}, True, "newest 2 clean batches"),
        ({"learnable": False}, False, "no batch waits"),
        ({"live_roc_auc_high": None}, False, "live quality is not known"),
    ],
)
def test_the_rule_decides_and_says_why(changes: dict, retrained: bool, phrase: str) -> None:
    decision = retrain.decide(Figures(**(CALM.__dict__ | changes)), 3, 24)
    assert decision.retrain is retrained
    assert phrase in decision.reason
    assert decision.nothing_new is ("nothing new" in decision.reason)

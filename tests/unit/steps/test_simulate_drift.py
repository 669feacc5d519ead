"""The injected drifts, and the sentence that counts those found."""

import pandas as pd

from readmission.contract import codes
from readmission.steps import simulate_drift
from readmission.steps.simulate_drift import Finding


def test_the_oldest_stay_the_oldest() -> None:
    frame = pd.DataFrame({"age": [codes.AGES[0], codes.AGES[-1], None]})
    assert simulate_drift.older(frame)["age"].iloc[:2].tolist() == [codes.AGES[2], codes.AGES[-1]]


def test_the_sentence_counts_by_share() -> None:
    alarm = Finding(rows=10, columns=["age"])
    alarms: dict[str, list[Finding | None]] = {"age": [alarm, None], "units": [alarm, alarm]}
    sentence = simulate_drift.summarise(0, alarms, [1.0, 0.25])
    assert sentence == "0 false alarms; of 2 injected drifts found: 2 at 100%, 1 at 25%."

"""Champion against challenger on outcomes as they come in, with a rule when to stop. Pure.

Whoever looks at a difference every day finds a winner by chance in the end. So the two are compared only when the
known early readmissions reach 100, 200, 400 and so on, and each look has its own share of the 5 % probability of a
wrong winner; the shares of all looks add up to 5 %, however often a person asks and however long it goes on (alpha
spending, Lan and DeMets 1983). Standard errors of ROC-AUC are those of DeLong et al. 1988 with the rows of a patient
taken together (Obuchowski 1997).
"""

from dataclasses import dataclass
from itertools import count
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from readmission.evaluation.metrics import Array

#: Early readmissions of each arm at the first look; each look doubles them.
FIRST_EVENTS = 100
#: Probability that two equal models ever get a winner.
ALPHA = 0.05


@dataclass(frozen=True, kw_only=True)
class SequentialTest:
    """State of the comparison at the newest look.

    Attributes:
        winner: Who is better, or empty as long as nobody is.
        looks: Number of looks so far.
        events: Early readmissions of the arm with fewer of them, all that are known.
        next_events: Early readmissions that the next look needs.
        difference: ROC-AUC of the challenger less that of the champion at the look. NaN before the first.
        half_width: Half the width of its interval, whose confidence holds for all looks together. NaN before the first.
    """

    winner: Literal["", "champion", "challenger"]
    looks: int
    events: int
    next_events: int
    difference: float
    half_width: float


def compare(answers: pd.DataFrame) -> SequentialTest:
    """Compare the two models by the rule.

    Args:
        answers: Encounters in the order in which their outcomes became known, with columns `patient`, `event` (whether
            readmitted within 30 days), and `champion` and `challenger`: the risks that each gave, NaN where it did
            not answer. With a shadow both answered, with a canary one of them.
    """
    reached = np.minimum(*(((answers[arm].notna() & answers["event"]).cumsum()) for arm in ("champion", "challenger")))
    events = int(reached.max()) if len(reached) else 0
    difference = half_width = float("nan")
    for look in count():
        needed = FIRST_EVENTS * 2**look
        if events < needed:
            break
        rows = answers.iloc[: int(np.argmax(reached.to_numpy() >= needed)) + 1]
        difference, spread = _difference(rows)
        # 6 / (pi squared k squared) adds up to 1 over all k.
        half_width = float(norm.isf(ALPHA * 3 / (np.pi * (look + 1)) ** 2) * spread)
        if abs(difference) > half_width:
            winner: Literal["champion", "challenger"] = "challenger" if difference > 0 else "champion"
            return SequentialTest(
                winner=winner,
                looks=look + 1,
                events=events,
                next_events=0,
                difference=difference,
                half_width=half_width,
            )
    return SequentialTest(
        winner="", looks=look, events=events, next_events=needed, difference=difference, half_width=half_width
    )


def _difference(rows: pd.DataFrame) -> tuple[float, float]:
    """Return challenger less champion in ROC-AUC, and its standard error with the rows of a patient taken together."""
    event = rows["event"].to_numpy(bool)
    value, influence = 0.0, np.zeros(len(rows))
    for arm, sign in (("challenger", 1.0), ("champion", -1.0)):
        answered = rows[arm].notna().to_numpy()
        roc_auc, parts = _roc_auc(rows[arm].to_numpy(np.float64)[answered], event[answered])
        value += sign * roc_auc
        influence[answered] += sign * parts
    _, patient = np.unique(rows["patient"].to_numpy(), return_inverse=True)
    return value, float(np.sqrt((np.bincount(patient, weights=influence) ** 2).sum()))


def _roc_auc(risks: Array, event: Array) -> tuple[float, Array]:
    """Return the ROC-AUC and what each row contributes to its error (DeLong's structural components)."""
    events, others = int(event.sum()), int((~event).sum())
    if not events or not others:
        return float("nan"), np.zeros(len(risks))
    ranks = rankdata(risks)
    placements = np.empty(len(risks))
    placements[event] = (ranks[event] - rankdata(risks[event])) / others
    placements[~event] = 1 - (ranks[~event] - rankdata(risks[~event])) / events
    roc_auc = float(placements[event].mean())
    return roc_auc, (placements - roc_auc) / np.where(event, events, others)

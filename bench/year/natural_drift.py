"""Whether the patients of a year have changed by themselves: the real encounters do, before anybody lets them drift.

It judges the alarms of the monitor, so it shares no code with it, and it sees every encounter as it was: complete, and
not as the requests stated it. Pure.
"""

from datetime import datetime

import numpy as np
import pandas as pd
from scipy.stats import chi2

from readmission import contract

#: Weeks that an alarm may speak of: the windows of predictions reach back 30 days.
_WEEKS = 4
#: PSI of a week from which its patients have changed, and how rarely chance alone may reach what counts.
_CHANGED, _BY_CHANCE = 0.1, 1e-5


def has_changed(stays: pd.DataFrame, column: str, now: datetime) -> bool:
    """Return whether a column differs, in one of the last weeks, from all encounters before these weeks.

    Args:
        stays: Encounters of the plan, with discharged_at.
        column: Name of a column of the contract.
        now: Moment of the question; encounters that end later do not count.
    """
    age = (pd.Timestamp(now) - stays["discharged_at"]) // pd.Timedelta(days=7)
    values = _bins(stays[column], column, before=age >= _WEEKS)
    weeks = [values[age == week] for week in range(_WEEKS)]
    return any(_differs(values[age >= _WEEKS], week) for week in weeks)


def _bins(values: pd.Series, column: str, before: pd.Series) -> pd.Series:
    """Return values as bins: deciles of the numbers before, the first character of a diagnosis, or levels."""
    if column in contract.NUMERIC:
        numbers = pd.to_numeric(values, errors="coerce")
        edges = np.unique(numbers[before].quantile(np.linspace(0.1, 0.9, 9)))
        return pd.Series(np.searchsorted(edges, numbers, side="right"), values.index)
    return values.str[:1] if column in contract.DIAGNOSES else values


def _differs(before: pd.Series, now: pd.Series) -> bool:
    """Return whether the PSI (population stability index) of two samples of bins is large and beyond chance.

    By chance alone it is about chi-square with a degree of freedom less than bins, times 1/n + 1/m (Yurdakul, 2018).
    """
    if before.empty or now.empty:
        return False
    counts = pd.concat([before.value_counts(), now.value_counts()], axis=1).fillna(0) + 0.5
    p, q = (counts / counts.sum()).to_numpy().T
    chance = chi2.isf(_BY_CHANCE, max(1, len(counts) - 1)) * (1 / len(before) + 1 / len(now))
    return bool(((q - p) * np.log(q / p)).sum() >= max(_CHANGED, chance))

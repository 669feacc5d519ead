"""Quality that calibrated risks promise before any outcome is known. Pure.

If the risks are right, outcomes drawn from them are as good as real ones, and the quality on such draws is the quality
to expect (Guillory et al. 2021 and NannyML call it performance estimation from confidence). It cannot see risks that
have stopped to be right: the realised quality and the calibration error show that, later.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from readmission import contract
from readmission.evaluation import ranking
from readmission.evaluation.metrics import Interval

#: Metrics of `metrics.measure` that are expected; recall and precision when a tenth of the encounters is alerted.
METRICS = ("roc_auc_30", "pr_auc_30", "recall_at_alert_10", "precision_at_alert_10", "prevalence_30")
_DRAWS = 200


def expect(probabilities: npt.NDArray[np.float64], draws: int = _DRAWS, seed: int = 7) -> dict[str, Interval]:
    """Return the expected metrics with the band in which the realised ones lie in 95 % of the cases.

    Args:
        probabilities: Predicted probabilities in the order of contract.CLASSES, shape (n, 3). The order of the rows
            does not matter.
        draws: Number of draws of all outcomes.
        seed: Seed of the draws.
    """
    random = np.random.default_rng(seed)
    # Sorted once for all draws: only the outcomes differ between them.
    risks = np.sort(probabilities[:, contract.EARLY])[::-1]
    starts = np.flatnonzero(np.r_[True, np.diff(risks) != 0])
    sizes = np.diff(np.r_[starts, len(risks)])
    drawn = []
    for _ in range(draws):
        events = np.add.reduceat((random.random(len(risks)) < risks).astype(np.float64), starts)
        figures = ranking.measure(events, sizes - events) | {"prevalence_30": float(events.sum() / len(risks))}
        drawn.append({name: figures.get(name, float("nan")) for name in METRICS})
    table = pd.DataFrame(drawn)
    return {
        name: Interval(float(table[name].mean()), *map(float, table[name].quantile([0.025, 0.975]))) for name in METRICS
    }

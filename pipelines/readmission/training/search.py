"""Search parameters of one family by patient-grouped folds of train and validation. Test is never looked at."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.trial import Trial, TrialState
from threadpoolctl import threadpool_limits

from readmission import models
from readmission.evaluation import metrics, protocols
from readmission.evaluation.metrics import Scored
from readmission.models import Range
from readmission.training.dataset import Dataset


def suggest(trial: Trial, space: Mapping[str, Range]) -> dict[str, Any]:
    """Draw a value of each parameter from its range.

    Args:
        trial: Trial of Optuna that draws and records them.
        space: `models.Family.search_space`.
    """
    params: dict[str, Any] = {}
    for name, limits in space.items():
        if isinstance(limits.low, int) and isinstance(limits.high, int):
            params[name] = trial.suggest_int(name, limits.low, limits.high, step=limits.step, log=limits.log)
        else:
            params[name] = trial.suggest_float(name, limits.low, limits.high, log=limits.log)
    return params


def objective(data: Dataset, family: str, metric: str, seed: int) -> Callable[[Trial], float]:
    """Return what a study maximises: the mean of a metric over patient-grouped folds.

    A trial is pruned between folds. A trial without parameters of its own uses the family's defaults.

    Args:
        data: Snapshot, of which the rows of train and validation are used.
        family: Key of `models.FAMILIES`.
        metric: Metric of `metrics.measure`. Its sign is turned where lower is better.
        seed: Seed of the folds and of the models.
    """
    # Those before test, in the snapshot's order.
    rows = np.argsort(data.places[: data.rows("test").start])
    patients = data.patients
    parts = [(rows[train], rows[test]) for train, test in protocols.folds(patients[rows], seed)]
    sign = -1.0 if metric in metrics.LOWER_IS_BETTER else 1.0

    def value(trial: Trial) -> float:
        params = {} if trial.user_attrs.get("defaults") else suggest(trial, models.FAMILIES[family].search_space)
        values: list[float] = []
        for step, (train, test) in enumerate(parts):
            with threadpool_limits(1):
                classifier = models.build(family, params, seed=seed).named_steps["classify"]
                classifier.fit(data.matrix[train], data.y[train])
                scored = Scored(data.y[test], classifier.predict_proba(data.matrix[test]), patients[test])
            values.append(sign * metrics.measure(scored)[metric])
            trial.report(float(np.mean(values)), step)
            if step + 1 < len(parts) and trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(values))

    return value


def trial_history(study: optuna.Study) -> pd.DataFrame:
    """Return the finished trials: number, value (of a pruned one the last seen), pruned, defaults, best so far."""
    finished = [t for t in study.trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED) and t.value is not None]
    table = pd.DataFrame(
        {
            "number": [t.number for t in finished],
            "value": [t.value for t in finished],
            "pruned": [t.state == TrialState.PRUNED for t in finished],
            "defaults": [bool(t.user_attrs.get("defaults")) for t in finished],
        }
    )
    return table.assign(best=table["value"].where(~table["pruned"]).cummax().ffill())

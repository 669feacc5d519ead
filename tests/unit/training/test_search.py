"""The search: what a trial may draw, and the table of what was tried."""

import math

import optuna
import pytest
from optuna.trial import Trial

from readmission import models
from readmission.models import Range
from readmission.training import search


@pytest.fixture
def study() -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1))


def test_whole_limits_draw_whole_numbers_on_the_grid(study: optuna.Study) -> None:
    space = {"trees": Range(10, 50, step=20), "leaves": Range(7, 63, log=True), "rate": Range(0.02, 0.2, log=True)}
    for _ in range(20):
        params = search.suggest(study.ask(), space)
        assert list(params) == list(space)
        assert params["trees"] in (10, 30, 50)
        assert isinstance(params["leaves"], int) and 7 <= params["leaves"] <= 63
        assert isinstance(params["rate"], float) and 0.02 <= params["rate"] <= 0.2


@pytest.mark.parametrize("family", models.FAMILIES)
def test_every_drawn_parameter_is_one_of_the_familys_estimator(family: str, study: optuna.Study) -> None:
    params = search.suggest(study.ask(), models.FAMILIES[family].search_space)
    assert params
    defaults = models.parameters(models.build(family, params))
    assert {name: defaults[name] for name in params} == params


def test_the_history_marks_pruned_and_default_trials_and_the_best_so_far(study: optuna.Study) -> None:
    values = iter([0.5, 0.7, 0.6, 0.8])

    def objective(trial: Trial) -> float:
        value = next(values)
        trial.report(value, 0)
        if trial.number == 1:
            raise optuna.TrialPruned
        return value

    study.enqueue_trial({}, user_attrs={"defaults": True})
    study.optimize(objective, n_trials=4)
    table = search.trial_history(study)
    assert table["number"].tolist() == [0, 1, 2, 3]
    assert table["defaults"].tolist() == [True, False, False, False]
    assert table["pruned"].tolist() == [False, True, False, False]
    assert table["best"].tolist() == [0.5, 0.5, 0.6, 0.8]
    assert all(math.isfinite(value) for value in table["value"])

"""The best parameters of a search, and the error when there was none."""

from typing import cast

import optuna
import pytest
from optuna.trial import Trial

from readmission.errors import UserError
from readmission.settings import Settings
from readmission.training import studies
from readmission.training.dataset import Data


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1))
    monkeypatch.setattr(studies, "open_study", lambda settings, data, family, code: study)
    return study


def read_best() -> dict[str, object]:
    return studies.best(Settings(_env_file=None), cast(Data, None), "lightgbm", "0.1.0")


def test_a_family_without_a_finished_trial_names_the_command(study: optuna.Study) -> None:
    def pruned(trial: Trial) -> float:
        raise optuna.TrialPruned

    study.optimize(pruned, n_trials=1)
    with pytest.raises(UserError, match="readmission search --family lightgbm"):
        read_best()


def test_the_best_parameters_are_those_of_the_best_trial(study: optuna.Study) -> None:
    study.optimize(lambda trial: -abs(trial.suggest_int("trees", 1, 100) - 50), n_trials=10)
    assert read_best() == study.best_trial.params

"""Searches for parameters: studies of Optuna in the schema `search` of the project's Postgres."""

import warnings

import optuna
from optuna.trial import TrialState

from readmission.errors import RefusalError
from readmission.settings import Settings
from readmission.training.dataset import Data


def best(settings: Settings, data: Data, family: str, code: str) -> dict[str, object]:
    """Return the best parameters of a family on this data by this code.

    Raises:
        RefusalError: No search of the family on this data by this code has finished a trial.
    """
    study = open_study(settings, data, family, code)
    if not any(trial.state == TrialState.COMPLETE for trial in study.trials):
        raise RefusalError(f"{family} was not searched on this data: run `readmission search --family {family}`.")
    return dict(study.best_params)


def open_study(settings: Settings, data: Data, family: str, code: str) -> optuna.Study:
    """Open the study of one family, data, metric, seed and version of the code. A new study begins with the defaults.

    Trials of other code had other features, so that their values are not comparable.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)  # the heartbeat
    storage = optuna.storages.RDBStorage(
        settings.database_url("train"),
        engine_kwargs={"connect_args": {"options": "-csearch_path=search"}},
        # The next search retries a trial whose process was killed.
        heartbeat_interval=20,
        grace_period=60,
        heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=3),
    )
    study = optuna.create_study(
        storage=storage,
        study_name=f"{family} {settings.training.selection} seed {settings.seed} data {data.sha256[:16]} code {code}",
        sampler=optuna.samplers.TPESampler(seed=settings.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
        direction="maximize",
        load_if_exists=True,
    )
    if not study.trials:
        study.enqueue_trial({}, user_attrs={"defaults": True})
    return study

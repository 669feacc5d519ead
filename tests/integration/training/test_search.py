"""A search of parameters: kept, resumed, taken, and never on the test rows."""

import dataclasses
from pathlib import Path
from typing import cast

import optuna
import pytest
from mlflow.tracking import MlflowClient

from readmission import contract
from readmission.errors import UserError
from readmission.registry import lineage
from readmission.settings import Settings
from readmission.steps import search, train
from readmission.training import dataset, studies
from readmission.training.search import objective
from tests.integration.training.conftest import clean, query


def test_a_search_is_kept_resumed_and_taken(system: Settings, sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = clean(system, sample, 1)
    with pytest.raises(UserError, match="was not searched"):
        train.run(config, families="decision_tree", searched=True)
    search.run(config, family="decision_tree", trials=3)
    assert "of 3 trials" in capsys.readouterr().out
    best = search.run(config, family="decision_tree", trials=5, minutes=5)
    assert "of 8 trials" in capsys.readouterr().out

    # Kept in Postgres, by the role that trains, apart from its other tables; the first trial is the defaults.
    assert query(config, "SELECT count(*) FROM search.studies") == [(1,)]
    rows = query(config, "SELECT number, state::text FROM search.trials ORDER BY 1")
    assert [row[0] for row in rows] == list(range(8)) and {row[1] for row in rows} <= {"COMPLETE", "PRUNED"}
    data = dataset.load(config)
    code = lineage.code_version()
    study = studies.open_study(config, data, "decision_tree", code)
    defaults = study.trials[0]
    assert defaults.user_attrs["defaults"] and not defaults.params
    assert defaults.value is not None and study.best_value >= defaults.value
    assert studies.best(config, data, "decision_tree", code) == best

    # One parent, a child a trial, its history as a picture.
    client = MlflowClient(config.mlflow.tracking_uri)
    parent = client.get_run(study.user_attrs["mlflow_run"])
    children = client.search_runs([parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    assert len(children) == 8 and all("fold_0" in child.data.metrics for child in children)
    assert {item.path for item in client.list_artifacts(parent.info.run_id)} >= {"search_history.png"}

    run = client.get_run(train.run(config, families="decision_tree", searched=True)["decision_tree"])
    assert all(run.data.params[name] == str(value) for name, value in best.items())


def test_other_code_begins_a_study_of_its_own(
    system: Settings, sample: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = clean(system, sample, 1)
    search.run(config, family="decision_tree", trials=2)
    monkeypatch.setattr(lineage, "code_version", lambda: "0.2.0+other")
    with pytest.raises(UserError, match="was not searched on this data"):
        train.run(config, families="decision_tree", searched=True)
    capsys.readouterr()
    search.run(config, family="decision_tree", trials=1)
    assert "of 1 trials" in capsys.readouterr().out


def test_a_search_never_looks_at_test(system: Settings, sample: Path) -> None:
    data = dataset.load(clean(system, sample, 1))
    trial = cast(optuna.Trial, optuna.trial.FixedTrial({"max_depth": 4, "min_samples_leaf": 50}))
    value = objective(data, "decision_tree", "roc_auc_30", 7)(trial)
    # Another outcome and other features of the test rows change nothing.
    other = dataclasses.replace(data, matrix=data.matrix.copy(), y=data.y.copy())
    other.y[data.rows("test")] = contract.EARLY
    other.matrix[data.rows("test"), data.names.index("number_inpatient")] = 99.0
    assert objective(other, "decision_tree", "roc_auc_30", 7)(trial) == value

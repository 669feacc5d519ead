"""What is said of a candidate, and what it is compared with."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from readmission import contract, models
from readmission.errors import UserError
from readmission.features import encoding, history
from readmission.promotion.champion import find_champion
from readmission.registry import lineage, tracking
from readmission.registry.locks import lock_training
from readmission.settings import Settings
from readmission.steps import ingest, process, promote, train
from readmission.training import dataset
from tests.integration.data.tools import as_csv, load, rows_of


def test_the_card_states_the_lineage_of_the_training_not_of_the_judge(system: Settings) -> None:
    trained = train.run(system.replace(seed=11, image="image-that-trained", git_sha="aaa"), families="decision_tree")
    promote.run(system.replace(seed=99, image="image-that-promoted", git_sha="bbb"))
    card = mlflow.artifacts.load_text(f"runs:/{trained['decision_tree']}/model_card.md")
    lines = card.split("## Lineage\n")[1].split("\n## ")[0]
    for what in ("| seed | `11` |", "| image | `image-that-trained` |", "| commit | `aaa` |", lineage.code_version()):
        assert what in lines
    assert lineage.packages() in lines and "promoted" not in lines and "bbb" not in lines


def test_a_model_of_other_code_is_no_candidate(system: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    first = train.run(system, families="decision_tree")
    monkeypatch.setattr(lineage, "code_version", lambda: "0.2.0+other")
    with pytest.raises(UserError, match="by this code and these libraries: run `readmission train`"):
        promote.run(system)
    # The same data by other code is another training.
    assert train.run(system, families="decision_tree") != first


def test_outcomes_that_become_known_after_the_training_do_not_stop_promotion(system: Settings, sample: Path) -> None:
    run_id = train.run(system, families="decision_tree")["decision_tree"]
    before = dataset.load(system).sha256
    rows = [row | {"number_inpatient": "7"} for row in rows_of(sample, 3)]
    load(system, as_csv(rows), "corrections.csv")
    assert process.run(system) == [1] and dataset.load(system).sha256 != before
    version = promote.run(system)
    champion = tracking.champion(MlflowClient(system.mlflow.tracking_uri), system)
    assert champion is not None and (str(champion.version), champion.run_id) == (version, run_id)
    assert promote.run(system) == version


def test_other_libraries_are_another_training(system: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    first = train.run(system, families="decision_tree")
    assert train.run(system, families="decision_tree") == first
    monkeypatch.setattr(lineage, "packages", lambda: "lightgbm==99")
    assert train.run(system, families="decision_tree") != first


def test_a_renamed_feature_does_not_stop_promotion(system: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    features = tuple(replace(f, name="age_group") if f.name == "age" else f for f in encoding.FEATURES)
    with monkeypatch.context() as older:
        older.setattr(encoding, "FEATURES", features)
        older.setattr(models, "SERVED", tuple(f.name for f in (*features, *history.HISTORY_FEATURES)))
        older.setattr(lineage, "code_version", lambda: "0.0.9+older")
        train.run(system, families="lightgbm")
        first = promote.run(system)

    client = MlflowClient(system.mlflow.tracking_uri)
    champion = tracking.champion(client, system)
    assert champion is not None
    with pytest.raises(KeyError, match="age_group"):
        tracking.load_pipeline(champion.source).predict_proba(encoding.example())

    ingest.run(system, batch=2)
    process.run(system)
    train.run(system, families="lightgbm")
    assert promote.run(system) != first


def test_a_champion_answers_as_it_was_judged_and_not_at_all_under_another_contract(
    system: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train.run(system, families="lightgbm")
    version = promote.run(system)
    client = MlflowClient(system.mlflow.tracking_uri)
    data = dataset.load(system, held_out=True)
    champion = find_champion(client, system, data, tmp_path)
    assert champion is not None and champion.validation is not None
    assert (champion.version, champion.data_sha256) == (version, data.sha256)
    record = tracking.champion(client, system)
    assert record is not None
    judged = tracking.load_pipeline(tracking.model_uri(client, record.run_id))
    expected = judged.predict_proba(data.frames["validation"])
    assert abs(champion.validation.probabilities - expected).max() <= 1e-6

    monkeypatch.setattr(contract, "CONTRACT_VERSION", 99)
    champion = find_champion(client, system, data, tmp_path)
    assert champion is not None and champion.validation is None


def test_two_trainings_of_a_family_at_once_train_it_once(system: Settings) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = (pool.submit(train.run, system, families="decision_tree") for _ in range(2))
    assert first.result() == second.result()


def test_runs_that_a_killed_training_left_are_ended_and_those_of_a_living_one_are_not(system: Settings) -> None:
    client = tracking.connect(system)
    experiment = mlflow.set_experiment(system.mlflow.experiment).experiment_id
    tags = {"step": "train", "batches": "1-1"}
    lost = [
        client.create_run(experiment, tags={**tags, "families": "decision_tree,lightgbm"}).info.run_id,
        client.create_run(experiment, tags={**tags, "family": "decision_tree"}).info.run_id,
    ]
    alive = client.create_run(experiment, tags={**tags, "families": "decision_tree,xgboost"}).info.run_id
    search = client.create_run(experiment, tags={"step": "search", "family": "decision_tree"}).info.run_id
    with lock_training(system, ["xgboost"]):
        train.run(system, families="decision_tree")
    states = {run_id: client.get_run(run_id).info.status for run_id in [*lost, alive, search]}
    assert states == dict.fromkeys(lost, "KILLED") | {alive: "RUNNING", search: "RUNNING"}

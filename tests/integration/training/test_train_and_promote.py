"""From clean batches to a champion and back, on a real Postgres and a real MLflow server."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from readmission import contract, scorer
from readmission.errors import UserError
from readmission.evaluation import gates
from readmission.registry import tracking
from readmission.registry.locks import lock_decisions
from readmission.scorer.pipeline import to_values
from readmission.settings import Settings
from readmission.steps import promote, report, rollback, score, train
from readmission.stores import postgres
from readmission.training import dataset
from tests.integration.training.conftest import clean, query


def assert_runs_are_complete(config: Settings, client: MlflowClient, runs: dict[str, str]) -> None:
    """Check that each family is a run with what a person looks for, below one parent, and a row of experiments."""
    run = client.get_run(runs["decision_tree"])
    assert {"test_roc_auc_30", "val_f1_score_weighted", "test_recall_lt30", "test_ece_30"} <= set(run.data.metrics)
    assert run.data.params["seed"] == "7" and run.data.params["batch_last"] == "1"
    assert run.data.tags["synthetic"] == "true" and run.data.tags["code"]
    names = {item.path for item in client.list_artifacts(runs["decision_tree"])}
    assert {
        "confusion_matrix.png",
        "feature_importance.png",
        "roc_pr_curve.png",
        "calibration_curve.png",
        "decision_curve.png",
    } <= names
    parent = client.get_run(run.data.tags["mlflow.parentRunId"])
    assert parent.info.status == run.info.status == "FINISHED"
    assert_a_person_finds_their_way(config, client, run, parent)
    assert query(config, "SELECT count(*) FROM training.runs WHERE synthetic") == [(2,)]


def assert_a_person_finds_their_way(config: Settings, client: MlflowClient, run: Run, parent: Run) -> None:
    """Check that MLflow shows what the experiment is, what a run was trained on, by whom, and which family is best."""
    experiment = client.get_experiment(run.info.experiment_id)
    assert "`gt30`" in experiment.tags["mlflow.note.content"]
    assert "SYNTHETIC" in run.data.tags["mlflow.note.content"]
    assert run.data.tags["mlflow.source.name"] == "readmission train" and run.data.tags["mlflow.user"]
    for shown in (run, parent):
        assert shown.inputs is not None
        [data] = shown.inputs.dataset_inputs
        assert data.dataset.source is not None and data.dataset.profile is not None
        assert run.data.params["data_sha256"].startswith(data.dataset.digest)
        assert json.loads(data.dataset.source)["batches"] == [1]
        assert json.loads(data.dataset.profile)["num_rows"] == len(dataset.load(config).y)
    best = client.get_run(parent.data.tags["best_run"])
    assert best.data.tags["family"] == parent.data.tags["best_family"]
    assert parent.data.metrics == best.data.metrics
    assert best.data.metrics["val_roc_auc_30"] >= run.data.metrics["val_roc_auc_30"]


def assert_verdict_stands_with(client: MlflowClient, version: ModelVersion) -> None:
    """Check that what the gates said stands with the version: in MLflow, and in what the API loads."""
    files = {item.path for item in client.list_artifacts(str(version.run_id), "serving")}
    assert {"serving/manifest.json", "serving/golden.json"} <= files
    manifest = json.loads(mlflow.artifacts.load_text(f"runs:/{version.run_id}/serving/manifest.json"))
    assert {c["gate"] for c in manifest["gates"]} == {"answers_as_the_pipeline", "fast_enough", "small_enough"}
    assert all(c["passed"] and c["limit"] for c in manifest["gates"])
    assert "model_card.html" in manifest["files"]
    assert re.fullmatch(r"\d+ of \d+ passed", version.tags["gates"])
    assert not any(name.startswith("gate.") for name in version.tags)
    assert "fast_enough" in str(version.description)
    assert "champion" in client.get_registered_model(version.name).description
    assert [b["name"] for b in manifest["bands"]] == ["usual", "raised", "high", "very high"]
    assert 0 < manifest["prevalence"] < 0.5
    assert manifest["history"]["visits"] > manifest["history"]["patients"] > 0
    card = mlflow.artifacts.load_text(f"runs:/{version.run_id}/model_card.md")
    assert "SYNTHETIC" in card and "## Groups of people" in card and str(version.run_id) in card
    page = mlflow.artifacts.load_text(f"runs:/{version.run_id}/model_card.html")
    assert "<table" in page and "Operating points" in page


def assert_scores_are_kept(config: Settings) -> None:
    """Check that the champion scores the clean table, again with the same rows."""
    rows = len(dataset.load(config).y)
    assert score.run(config) == score.run(config) == rows
    scored = "SELECT count(*), count(DISTINCT model_version), max(abs(p_no + p_late + p_early - 1)) < 1e-5"
    with postgres.transaction(config, "monitor") as cursor:
        cursor.execute(scored + " FROM serving.scores")
        assert cursor.fetchall() == [(rows, 1, True)]


def assert_return_takes_a_reason(config: Settings, first: str, second: str) -> None:
    """Check that what was rolled back from does not return by itself, only by a person with a reason."""
    assert promote.run(config) == first
    refused = query(config, "SELECT reasons FROM training.promotions WHERE decision = 'refused'")
    assert [check["gate"] for check in refused[0][0] if not check["passed"]] == ["not_rolled_back"]
    with pytest.raises(UserError, match="--why"):
        promote.run(config, again=True)
    assert promote.run(config, again=True, why="the pump was at fault") == second
    assert rollback.run(config) == first
    with pytest.raises(UserError, match="first champion"):
        rollback.run(config)
    with pytest.raises(UserError, match="no version '99'"):
        rollback.run(config, to="99")


def test_from_clean_batches_to_a_champion_and_back(
    system: Settings, sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = clean(system, sample, 1)
    runs = train.run(config, families="decision_tree,logistic_regression")
    client = MlflowClient(config.mlflow.tracking_uri)

    assert_runs_are_complete(config, client, runs)
    # The same again is not trained again.
    assert train.run(config, families="decision_tree,logistic_regression") == runs

    # The best is promoted with alias, stage word, compiled files and an audit row; then there is nothing to do.
    first = promote.run(config, by="a test")
    version = client.get_model_version_by_alias(config.mlflow.model_name, "champion")
    assert str(version.version) == first and version.current_stage == "Production"
    assert_verdict_stands_with(client, version)
    assert query(config, "SELECT decision, model_version, decided_by FROM training.promotions") == [
        ("promoted", first, "a test")
    ]
    assert promote.run(config) == first

    assert_scores_are_kept(config)
    report.run(config, resamples=50)
    output = capsys.readouterr().out
    assert "SYNTHETIC" in output and "ROC-AUC" in output

    # More data gives a new champion; rolling back returns to the one before, and no further.
    clean(system, sample, 2)
    train.run(config, families="lightgbm")
    second = promote.run(config)
    assert second != first
    assert client.get_model_version(config.mlflow.model_name, first).current_stage == "Archived"
    assert rollback.run(config, why="a test") == first
    assert str(client.get_model_version_by_alias(config.mlflow.model_name, "champion").version) == first
    assert query(config, "SELECT decision, model_version, replaced_version FROM training.promotions ORDER BY id") == [
        ("promoted", first, None),
        ("promoted", second, first),
        ("rolled back", first, second),
    ]
    assert_return_takes_a_reason(config, first, second)


def test_only_one_process_decides_at_a_time(system: Settings) -> None:
    with ThreadPoolExecutor(1) as pool:
        with lock_decisions(system):
            waiting = pool.submit(rollback.run, system)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=2)
        with pytest.raises(UserError, match="no champion"):
            waiting.result(timeout=20)


def test_without_data_or_models_the_steps_say_what_to_do(system: Settings, sample: Path) -> None:
    with pytest.raises(UserError, match="no clean batch"):
        train.run(system)
    config = clean(system, sample, 1)
    with pytest.raises(UserError, match="readmission train"):
        promote.run(config)
    with pytest.raises(UserError, match="no champion"):
        rollback.run(config)
    with pytest.raises(UserError, match="'forest' is not a family"):
        train.run(config, families="forest")
    with pytest.raises(UserError, match="cannot be used"):
        train.run(config.replace(mlflow_uri="http://127.0.0.1:9"))


def test_a_refused_candidate_leaves_the_champion_and_its_reasons(
    system: Settings, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = clean(system, sample, 1)
    train.run(config, families="decision_tree,logistic_regression")
    strict = "[{name: never, figure: test_accuracy, at_least: 1.1, reason: a test}]"
    monkeypatch.setattr(gates, "load_gates", lambda read=gates.load_gates: read(strict))
    with pytest.raises(UserError, match="No candidate passes"):
        promote.run(config)
    rows = query(config, "SELECT decision, model_version, reasons FROM training.promotions")
    assert [row[:2] for row in rows] == [("refused", None)] * 2
    check = rows[0][2][0]
    assert (check["gate"], check["passed"], check["limit"]) == ("never", False, "at least 1.1")
    client = MlflowClient(config.mlflow.tracking_uri)
    assert tracking.champion(client, config) is None
    run_id = query(config, "SELECT run_id FROM training.runs LIMIT 1")[0][0]
    assert json.loads(mlflow.artifacts.load_text(f"runs:/{run_id}/verdict.json"))[0]["gate"] == "never"


@pytest.mark.real
def test_the_real_data_gives_an_honest_champion_that_is_served_as_judged(
    system: Settings, real_source: Path, tmp_path: Path
) -> None:
    config = clean(system, real_source, batch_size=15_000)
    train.run(config, families="lightgbm,logistic_regression")
    version = promote.run(config)
    client = MlflowClient(config.mlflow.tracking_uri)
    champion = client.get_model_version(config.mlflow.model_name, version)
    assert champion.run_id is not None and champion.source is not None
    figures = client.get_run(champion.run_id).data.metrics
    assert 0.67 <= figures["test_roc_auc_30"] < 0.72
    assert figures["test_accuracy_gain"] >= 0.02
    assert figures["test_ece_30"] <= 0.01

    # What is served answers 2,000 raw test rows as the Pipeline in the registry does.
    data = dataset.load(config, held_out=True)
    rows = data.frames["test"].tail(2000)
    expected = tracking.load_pipeline(champion.source).predict_proba(rows)
    # The odds of any readmission are those of the newest encounters: it is there that the class has to be right.
    outcomes = data.y[data.rows("test")][-2000:]
    always_no = (outcomes == contract.CLASSES.index("NO")).mean()
    assert (expected.argmax(axis=1) == outcomes).mean() >= max(0.63, always_no + 0.02)
    client.download_artifacts(champion.run_id, "serving", str(tmp_path))
    compiled = scorer.load(tmp_path / "serving", config.patient_keys)
    served = np.array(compiled.score_many(scorer.columns_of(to_values(rows))))
    assert np.abs(served - expected).max() <= 1e-6
    assert compiled.manifest.classes == contract.CLASSES

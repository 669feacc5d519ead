"""From clean batches to a champion and back, on a real Postgres and a real MLflow server."""

import dataclasses
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import mlflow
import numpy as np
import optuna
import pytest
from mlflow.tracking import MlflowClient
from sklearn.ensemble import ExtraTreesClassifier

from readmission import contract, models, scorer
from readmission.errors import UserError
from readmission.evaluation import gates
from readmission.features.encoding import Feature
from readmission.registry import ledger, tracking
from readmission.scorer.pipeline import to_values
from readmission.settings import Settings
from readmission.steps import evaluate, ingest, process, promote, report, rollback, score, search, train
from readmission.stores import postgres
from readmission.training import dataset, studies
from readmission.training.search import objective


@pytest.fixture
def system(database: Settings, mlflow_server: str) -> Settings:
    """Give a database of the test's own and names of its own in the MLflow that all share."""
    mine = uuid.uuid4().hex[:8]
    return database.replace(mlflow_uri=mlflow_server, experiment=f"test_{mine}", model_name=f"model_{mine}")


def query(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def clean(settings: Settings, source: Path, batch: int | None = None, batch_size: int = 1000) -> Settings:
    """Ingest one batch, or all, and process."""
    config = settings.replace(source=str(source), batch_size=batch_size)
    ingest.run(config, batch=batch, every=batch is None)
    process.run(config)
    return config


def _extra_trees(params: models.Params, seed: int, jobs: int, columns: tuple[Feature, ...]) -> ExtraTreesClassifier:
    return ExtraTreesClassifier(**{"n_estimators": 5, "min_samples_leaf": 30, "random_state": seed, **params})


def test_a_new_family_is_one_record(
    system: Settings, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = models.Family(
        build=_extra_trees, search_space={"min_samples_leaf": models.Range(20, 60)}, cost=9, compared=False
    )
    monkeypatch.setattr(models, "FAMILIES", {**models.FAMILIES, "extra_trees": record})
    config = clean(system, sample, 1)
    assert train._families("decision_tree,extra_trees", "local") == ["extra_trees", "decision_tree"]
    train.run(config, families="extra_trees")
    search.run(config, family="extra_trees", trials=2)
    train.run(config, families="extra_trees", searched=True)
    version = promote.run(config, by="a test")
    client = MlflowClient(config.mlflow.tracking_uri)
    run_id = client.get_model_version(config.mlflow.model_name, version).run_id
    assert run_id and client.get_run(run_id).data.params["family"] == "extra_trees"
    loaded = scorer.load(Path(mlflow.artifacts.download_artifacts(f"runs:/{run_id}/serving", dst_path=str(tmp_path))))
    assert loaded.manifest.family == "extra_trees" and loaded.manifest.engine == "lightgbm"
    answer = loaded.score(tuple(contract.EXAMPLE.get(name) for name in contract.FEATURE_NAMES))
    assert sum(answer) == pytest.approx(1)


def test_from_clean_batches_to_a_champion_and_back(
    system: Settings, sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = clean(system, sample, 1)
    runs = train.run(config, families="decision_tree,logistic_regression")
    client = MlflowClient(config.mlflow.tracking_uri)

    # Each family is a run with what a person looks for, below one parent, and a row of experiments.
    run = client.get_run(runs["decision_tree"])
    assert {"test_roc_auc_30", "val_f1_score_weighted", "test_recall_class_2", "test_ece_30"} <= set(run.data.metrics)
    assert run.data.params["seed"] == "7" and run.data.params["batch_last"] == "1"
    assert run.data.tags["synthetic"] == "true" and run.data.tags["git_sha"]
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
    assert query(config, "SELECT count(*) FROM training.experiments WHERE synthetic") == [(2,)]

    # The same again is not trained again.
    assert train.run(config, families="decision_tree,logistic_regression") == runs

    # The best is promoted with alias, stage word, compiled files and an audit row; then there is nothing to do.
    first = promote.run(config, by="a test")
    version = client.get_model_version_by_alias(config.mlflow.model_name, "champion")
    assert str(version.version) == first and version.current_stage == "Production"
    assert version.run_id is not None
    assert {item.path for item in client.list_artifacts(version.run_id, "serving")} >= {
        "serving/manifest.json",
        "serving/golden.json",
    }
    # What the gates said stands with the version: in MLflow, and in what the API loads.
    manifest = json.loads(mlflow.artifacts.load_text(f"runs:/{version.run_id}/serving/manifest.json"))
    assert {c["gate"] for c in manifest["gates"]} == {"answers_as_the_pipeline", "fast_enough", "small_enough"}
    assert all(c["passed"] and c["limit"] for c in manifest["gates"])
    assert "model_card.html" in manifest["files"]
    assert version.tags["gate.fast_enough"].endswith("(at most 1000): met")
    assert [b["name"] for b in manifest["bands"]] == ["usual", "raised", "high", "very high"]
    assert 0 < manifest["prevalence"] < 0.5
    assert manifest["history"]["visits"] > manifest["history"]["patients"] > 0
    card = mlflow.artifacts.load_text(f"runs:/{version.run_id}/model_card.md")
    assert "SYNTHETIC" in card and "## Groups of people" in card and version.run_id in card
    page = mlflow.artifacts.load_text(f"runs:/{version.run_id}/model_card.html")
    assert "<table>" in page and "Operating points" in page
    assert query(config, "SELECT decision, model_version, decided_by FROM training.promotions") == [
        ("promoted", first, "a test")
    ]
    assert promote.run(config) == first

    # It scores the clean table, again with the same rows, and says how good it is.
    rows = len(dataset.load(config).y)
    assert score.run(config) == score.run(config) == rows
    scored = "SELECT count(*), count(DISTINCT model_version), max(abs(p_no + p_late + p_early - 1)) < 1e-5"
    with postgres.transaction(config, "monitor") as cursor:
        cursor.execute(scored + " FROM serving.scores")
        assert cursor.fetchall() == [(rows, 1, True)]
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
    # What was rolled back from does not return by itself, only by a person with a reason.
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


def test_only_one_process_decides_at_a_time(system: Settings) -> None:
    with ThreadPoolExecutor(1) as pool:
        with ledger.lock_decisions(system):
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
    run_id = query(config, "SELECT run_id FROM training.experiments LIMIT 1")[0][0]
    assert json.loads(mlflow.artifacts.load_text(f"runs:/{run_id}/verdict.json"))[0]["gate"] == "never"


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
    study = studies.open_study(config, data, "decision_tree")
    defaults = study.trials[0]
    assert defaults.user_attrs["defaults"] and not defaults.params
    assert defaults.value is not None and study.best_value >= defaults.value
    assert studies.best(config, data, "decision_tree") == best

    # One parent, a child a trial, its history as a picture.
    client = MlflowClient(config.mlflow.tracking_uri)
    parent = client.get_run(study.user_attrs["mlflow_run"])
    children = client.search_runs([parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    assert len(children) == 8 and all("fold_0" in child.data.metrics for child in children)
    assert {item.path for item in client.list_artifacts(parent.info.run_id)} >= {"search_history.png"}

    run = client.get_run(train.run(config, families="decision_tree", searched=True)["decision_tree"])
    assert all(run.data.params[name] == str(value) for name, value in best.items())


def test_a_search_never_looks_at_test(system: Settings, sample: Path) -> None:
    data = dataset.load(clean(system, sample, 1))
    trial = cast(optuna.Trial, optuna.trial.FixedTrial({"max_depth": 4, "min_samples_leaf": 50}))
    value = objective(data, "decision_tree", "roc_auc_30", 7)(trial)
    # Another outcome and other features of the test rows change nothing.
    other = dataclasses.replace(data, matrix=data.matrix.copy(), y=data.y.copy())
    other.y[data.rows("test")] = contract.EARLY
    other.matrix[data.rows("test"), data.names.index("number_inpatient")] = 99.0
    assert objective(other, "decision_tree", "roc_auc_30", 7)(trial) == value


def test_the_evaluation_is_written_to_its_end(system: Settings, sample: Path, tmp_path: Path) -> None:
    config = clean(system, sample, batch_size=400)
    lines = evaluate.run(config, report=tmp_path / "evaluation.md", seeds=2)
    text = (tmp_path / "evaluation.md").read_text()
    for phrase in (
        "folds pooled",
        "forward in time",
        "new patients",
        "trained on 3 of the batches",
        "SYNTHETIC",
        "without causal history",
        "reference ensemble",
        "logistic regression",
        "macro F1",
    ):
        assert phrase in text, phrase
    assert "published" not in text  # made-up data is not compared with papers
    numbers = json.loads((tmp_path / "evaluation.json").read_text())
    assert len(numbers) == len(lines) == text.count("\n| ") - 1
    headline = numbers["lightgbm, as served, folds pooled"]["roc_auc_30"]
    assert headline["low"] <= headline["value"] <= headline["high"]
    assert "<table>" in (tmp_path / "evaluation.html").read_text()
    assert (tmp_path / "evaluation.png").read_bytes().startswith(b"\x89PNG")


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
    assert figures["test_accuracy"] >= 0.58
    assert figures["test_ece_30"] <= 0.01

    # What is served answers 2,000 raw test rows as the Pipeline in the registry does.
    data = dataset.load(config, held_out=True)
    rows = data.frames["test"].tail(2000)
    expected = tracking.load_pipeline(champion.source).predict_proba(rows)
    client.download_artifacts(champion.run_id, "serving", str(tmp_path))
    compiled = scorer.load(tmp_path / "serving")
    served = np.array(compiled.score_many(scorer.columns_of(to_values(rows))))
    assert np.abs(served - expected).max() <= 1e-6
    assert compiled.manifest.classes == contract.CLASSES

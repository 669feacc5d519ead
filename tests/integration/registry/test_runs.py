"""Every training is kept, also that of the version before, and none can be rewritten."""

from dataclasses import replace

import psycopg2
import pytest

from readmission.monitoring import records
from readmission.registry import runs
from readmission.registry.runs import TrainedModel, TrainingKey
from readmission.settings import Settings
from readmission.stores import postgres

MODEL = TrainedModel(
    run_id="r1",
    family="lightgbm",
    first_batch=1,
    last_batch=2,
    data_sha256="d2",
    synthetic=True,
    icd="9cm",
    seed=7,
    code="c1",
    packages="lightgbm==4",
    revision="abc",
    image="",
    metrics={"val_roc_auc_30": 0.6, "test_roc_auc_30": 0.7, "val_ece_30": float("nan")},
)
KEY = TrainingKey(data_sha256="d2", seed=7, code="c1", packages="lightgbm==4")


def trained(settings: Settings, *models: TrainedModel) -> None:
    for model in models:
        runs.record(settings, model)


def test_the_newest_batch_is_the_last_that_was_trained_on(database: Settings) -> None:
    assert runs.newest_batch(database) is None
    trained(database, MODEL, replace(MODEL, run_id="r2", last_batch=3, data_sha256="d3"), replace(MODEL, run_id="r3"))
    assert runs.newest_batch(database) == 3


def test_a_repeated_training_leaves_the_run_before_it_as_it_was(
    database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(database, MODEL)
    with postgres.transaction(database, "train") as cursor:
        cursor.execute(
            "INSERT INTO training.promotions (decision, model_name, model_version, run_id, family, reasons, decided_by)"
            " VALUES ('promoted', %(name)s, '1', 'r1', 'lightgbm', '[]', 'test')",
            {"name": database.mlflow.model_name},
        )
    monkeypatch.setattr(records, "find_champion", lambda settings: "1")
    assert records.served_model(database) == records.ServedModel("1", 2)
    trained(database, replace(MODEL, run_id="again"))
    assert records.served_model(database) == records.ServedModel("1", 2)
    assert runs.trained(database, KEY) == {"lightgbm": "again"}


def test_data_seed_code_and_libraries_make_a_training(database: Settings) -> None:
    trained(database, MODEL)
    assert runs.trained(database, KEY) == {"lightgbm": "r1"}
    for other in (
        replace(KEY, data_sha256="d3"),
        replace(KEY, seed=8),
        replace(KEY, code="c2"),
        replace(KEY, packages="lightgbm==5"),
    ):
        assert runs.trained(database, other) == {}


def test_candidates_are_the_newest_of_each_family_by_one_code_the_best_first(database: Settings) -> None:
    better = replace(MODEL, run_id="x1", family="xgboost", metrics={"val_roc_auc_30": 0.61})
    trained(database, MODEL, replace(MODEL, run_id="r2"), better, replace(MODEL, run_id="r3", code="c2"))
    names = [model.run_id for model in runs.candidates(database, "d2", "c1", "lightgbm==4", "roc_auc_30")]
    assert names == ["x1", "r2"]
    assert runs.candidates(database, "d2", "c1", "lightgbm==5", "roc_auc_30") == []
    assert runs.learning_curve(database, "c1", ["lightgbm"]).to_dict("records") == [
        {"family": "lightgbm", "batches": 2, "test_roc_auc_30": 0.7, "test_accuracy": None}
    ]


def test_the_version_before_trains_on_the_new_tables_and_its_runs_are_kept_too(database: Settings) -> None:
    statement = (
        "INSERT INTO training.experiments"
        " (run_id, family, first_batch, last_batch, data_sha256, synthetic, seed, git_sha, metrics)"
        " VALUES (%(run)s, 'lightgbm', 1, 2, 'd2', true, 7, 'commit', '{}')"
        " ON CONFLICT (family, data_sha256, seed, git_sha) DO UPDATE SET run_id = excluded.run_id,"
        " metrics = excluded.metrics, trained_at = now()"
    )
    with postgres.transaction(database, "train") as cursor:
        for run in ("o1", "o2"):
            cursor.execute(statement, {"run": run})
    trained(database, MODEL)
    with postgres.transaction(database, "train") as cursor:
        cursor.execute("SELECT run_id FROM training.runs ORDER BY 1")
        assert cursor.fetchall() == [("o1",), ("o2",), ("r1",)]
        cursor.execute("SELECT run_id FROM training.experiments ORDER BY 1")
        assert cursor.fetchall() == [("o2",), ("r1",)]


def test_the_role_that_trains_cannot_rewrite_a_run(database: Settings) -> None:
    trained(database, MODEL)
    for statement in ("UPDATE training.runs SET seed = 8", "DELETE FROM training.runs"):
        with (
            pytest.raises(psycopg2.errors.InsufficientPrivilege),
            postgres.transaction(database, "train") as cursor,
        ):
            cursor.execute(statement)

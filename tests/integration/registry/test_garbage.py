"""Runs that people deleted in MLflow go for good, with their files and models; those of registered versions stay."""

import uuid
from pathlib import Path

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

from readmission.registry import garbage
from readmission.settings import Settings
from readmission.steps import purge


class Registry:
    """Experiment of a test, on the MLflow server of all tests.

    Args:
        settings: Database of the server, and where it listens.
        folder: Empty folder.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings, self._folder = settings, folder
        self.url = settings.mlflow.tracking_uri
        mlflow.set_tracking_uri(self.url)
        self.client = MlflowClient(self.url)
        self.experiment = self.client.create_experiment(uuid.uuid4().hex)
        self.artifacts = settings.home / "mlflow-artifacts" / self.experiment

    def run(self) -> tuple[str, str]:
        """Make a run with a file and a model with a file; return the ids of both."""
        run_id = str(self.client.create_run(self.experiment).info.run_id)
        self.client.log_metric(run_id, "m", 1.0)
        file = self._folder / "file.txt"
        file.write_text("content")
        self.client.log_artifact(run_id, str(file))
        model = self.client.create_logged_model(self.experiment, source_run_id=run_id)
        self.client.log_model_artifacts(model.model_id, str(self._folder))
        self.client.finalize_logged_model(model.model_id, "READY")
        return run_id, str(model.model_id)

    def register(self, run_id: str, model_id: str) -> None:
        """Make a version of a run's model."""
        name = uuid.uuid4().hex
        self.client.create_registered_model(name)
        self.client.create_model_version(name, f"models:/{model_id}", run_id, model_id=model_id)

    def files(self) -> set[str]:
        """Return the runs and models that have files."""
        return {path.relative_to(self.artifacts).parts[-3] for path in self.artifacts.rglob("file.txt")}

    def collect(self, days: float = 0) -> list[str]:
        return garbage.collect(self.settings.database_url("mlflow", "mlflow"), self.url, days)


@pytest.fixture
def registry(postgres_server: Settings, mlflow_server: str, tmp_path: Path) -> Registry:
    return Registry(postgres_server.replace(mlflow_uri=mlflow_server), tmp_path)


def test_a_deleted_run_goes_with_its_files_and_models_and_no_other(registry: Registry) -> None:
    (deleted, its_model), (alive, other_model) = registry.run(), registry.run()
    registry.client.delete_run(deleted)
    assert registry.files() == {deleted, its_model, alive, other_model}
    assert registry.collect() == [deleted]
    assert registry.files() == {alive, other_model}
    with pytest.raises(MlflowException, match="not found"):
        registry.client.get_run(deleted)
    with pytest.raises(MlflowException, match="not found"):
        registry.client.get_logged_model(its_model)
    assert registry.client.get_run(alive).data.metrics == {"m": 1.0}
    assert registry.collect() == []


def test_the_deleted_run_of_a_registered_version_stays_whole(registry: Registry) -> None:
    run_id, model_id = registry.run()
    registry.register(run_id, model_id)
    registry.client.delete_run(run_id)
    assert registry.collect() == []
    assert registry.files() == {run_id, model_id}
    registry.client.restore_run(run_id)
    assert registry.client.get_run(run_id).data.metrics == {"m": 1.0}


def test_a_run_can_be_restored_for_the_days_of_the_setting(registry: Registry) -> None:
    run_id, _ = registry.run()
    registry.client.delete_run(run_id)
    assert registry.collect(days=1) == []
    registry.client.restore_run(run_id)
    assert registry.collect() == []


def test_a_run_that_lost_its_files_to_a_kill_goes_the_next_time(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, _ = registry.run()
    registry.client.delete_run(run_id)

    def killed(store: SqlAlchemyStore, run_id: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(SqlAlchemyStore, "_hard_delete_run", killed)
        registry.collect()
    assert registry.files() == set()
    assert registry.collect() == [run_id]


def test_purge_collects_where_the_password_of_mlflows_database_is_known(
    registry: Registry, database: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id, _ = registry.run()
    registry.client.delete_run(run_id)
    settings = database.replace(mlflow_uri=registry.url, retention_deleted_runs_days=1e-9)
    without = settings.replace(postgres_password_mlflow=None)
    assert "mlflow.runs" not in purge.run(without)
    assert "mlflow.runs" not in purge.run(settings.replace(retention_deleted_runs_days=0))
    assert registry.files()
    assert "mlflow.runs" in purge.run(settings)
    assert "mlflow.runs: 1 deleted runs dropped" in capsys.readouterr().out
    assert not registry.files()

"""The embedded MLflow: its variables, and the address at which people begin."""

from pathlib import Path

from mlflow.server import constants

from readmission.embedded import mlflow
from readmission.embedded.components import parts
from tests.conftest import make_settings


def test_language_models_and_telemetry_are_off(tmp_path: Path) -> None:
    variables = mlflow.environment(make_settings(tmp_path))
    assert (variables["MLFLOW_ENABLE_AI_GATEWAY"], variables["MLFLOW_DISABLE_TELEMETRY"]) == ("false", "true")
    assert "MLFLOW_S3_ENDPOINT_URL" not in variables
    assert mlflow.environment(make_settings(tmp_path, s3_endpoint="http://s3"))["MLFLOW_S3_ENDPOINT_URL"] == "http://s3"


def test_the_server_is_told_its_stores_by_the_names_that_it_reads(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    variables = mlflow.environment(settings)
    database = settings.database_url("mlflow", "mlflow")
    assert variables[constants.BACKEND_STORE_URI_ENV_VAR] == variables[constants.REGISTRY_STORE_URI_ENV_VAR] == database
    assert variables[constants.ARTIFACTS_DESTINATION_ENV_VAR] == settings.artifact_root
    assert variables[constants.PROMETHEUS_EXPORTER_ENV_VAR] == str(tmp_path / "mlflow-metrics")
    assert {constants.ARTIFACT_ROOT_ENV_VAR, constants.SERVE_ARTIFACTS_ENV_VAR} <= set(variables)


def test_people_begin_at_the_runs_and_not_at_the_page_about_language_models(tmp_path: Path) -> None:
    url = next(part.url for part in parts(make_settings(tmp_path)) if part.name == "mlflow")
    assert url.endswith("/#/experiments/1/runs?workflowType=machine_learning")
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    assert "http://127.0.0.1:15000/#/experiments/1/runs?workflowType=machine_learning" in readme

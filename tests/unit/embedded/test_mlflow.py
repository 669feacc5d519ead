"""The embedded MLflow: its variables, and the address at which people begin."""

from pathlib import Path

from readmission.embedded import mlflow
from readmission.embedded.components import parts
from tests.conftest import make_settings


def test_language_models_and_telemetry_are_off(tmp_path: Path) -> None:
    variables = mlflow.environment(make_settings(tmp_path))
    assert (variables["MLFLOW_ENABLE_AI_GATEWAY"], variables["MLFLOW_DISABLE_TELEMETRY"]) == ("false", "true")
    assert "MLFLOW_S3_ENDPOINT_URL" not in variables
    assert mlflow.environment(make_settings(tmp_path, s3_endpoint="http://s3"))["MLFLOW_S3_ENDPOINT_URL"] == "http://s3"


def test_people_begin_at_the_runs_and_not_at_the_page_about_language_models(tmp_path: Path) -> None:
    url = next(part.url for part in parts(make_settings(tmp_path)) if part.name == "mlflow")
    assert url.endswith("/#/experiments/1/runs?workflowType=machine_learning")
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    assert "http://127.0.0.1:15000/#/experiments/1/runs?workflowType=machine_learning" in readme

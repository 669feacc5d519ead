"""Start the embedded MLflow server: its tables in Postgres, its artifacts in a folder or S3."""

import os
import sys

from readmission.settings import Settings, load_settings


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables of the server: no telemetry, no gateway to language models, no jobs."""
    variables = os.environ | {
        "MLFLOW_BACKEND_STORE_URI": settings.database_url("mlflow", "mlflow"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_AI_GATEWAY": "false",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_S3_ENDPOINT_URL": settings.objects.s3_endpoint,
    }
    return {name: value for name, value in variables.items() if value or name != "MLFLOW_S3_ENDPOINT_URL"}


def main() -> None:
    """Replace this process by the server; the database password goes by the environment, not the command line."""
    settings = load_settings()
    arguments = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(settings.mlflow.port),
        "--workers",
        "1",
        "--artifacts-destination",
        settings.artifact_root,
        "--expose-prometheus",
        str(settings.home / "mlflow-metrics"),
        "--allowed-hosts",
        f"127.0.0.1:{settings.mlflow.port},localhost:{settings.mlflow.port}",
    ]
    os.execve(sys.executable, arguments, environment(settings))  # noqa: S606


if __name__ == "__main__":
    main()

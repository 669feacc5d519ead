"""Start the embedded MLflow server: its tables in Postgres, its artifacts in a folder or S3."""

import os
import sys

from readmission.settings import load_settings


def main() -> None:
    """Replace this process by the server; the database password goes by the environment, not the command line."""
    settings = load_settings()
    database = settings.database_url("mlflow", "mlflow")
    environment = os.environ | {
        "MLFLOW_BACKEND_STORE_URI": database,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_AI_GATEWAY": "false",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_S3_ENDPOINT_URL": settings.objects.s3_endpoint,
    }
    if not settings.objects.s3_endpoint:
        del environment["MLFLOW_S3_ENDPOINT_URL"]
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
    os.execve(sys.executable, arguments, environment)  # noqa: S606


if __name__ == "__main__":
    main()

"""Run the embedded MLflow server: its tables in Postgres, its artifacts in a folder or S3.

`mlflow server` would import all of MLflow twice, the second time in a child process that serves, and stay beside it
with 200 MB. So the server runs in this process, told by the variables that `mlflow server` would tell its child.
"""

import os
from importlib.util import find_spec
from pathlib import Path

from readmission.settings import Settings, load_settings

#: Where clients send artifacts: to the server itself, which keeps them at its destination.
_PROXIED = "mlflow-artifacts:/"


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables of the server: its stores, no telemetry, no gateway to language models, no jobs."""
    database = settings.database_url("mlflow", "mlflow")
    addresses = f"127.0.0.1:{settings.mlflow.port},localhost:{settings.mlflow.port}"
    variables = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_AI_GATEWAY": "false",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_SERVER_ALLOWED_HOSTS": addresses,
        "MLFLOW_S3_ENDPOINT_URL": settings.objects.s3_endpoint,
        # From here on the names of mlflow.server.constants, whose import would need them already.
        "_MLFLOW_SERVER_FILE_STORE": database,
        "_MLFLOW_SERVER_REGISTRY_STORE": database,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": _PROXIED,
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": settings.artifact_root,
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "prometheus_multiproc_dir": str(settings.home / "mlflow-metrics"),
    }
    return {name: value for name, value in variables.items() if value}


def main() -> None:
    """Migrate MLflow's tables and serve; the database password is in the variables, not on the command line."""
    settings = load_settings()
    os.environ.update(environment(settings))
    import uvicorn
    from mlflow.server import handlers

    database = settings.database_url("mlflow", "mlflow")
    handlers.initialize_backend_stores(database, database, _PROXIED)
    folder = Path(next(iter(find_spec("mlflow.server").submodule_search_locations)))  # type: ignore[union-attr,arg-type]
    uvicorn.run(
        "mlflow.server.fastapi_app:app",
        host="127.0.0.1",
        port=settings.mlflow.port,
        log_config=str(folder / "uvicorn_log_config.yaml"),
    )


if __name__ == "__main__":
    main()

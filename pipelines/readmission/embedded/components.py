"""The parts of the embedded system: what each runs, where it answers, how its health is seen."""

import socket
import sys
from collections.abc import Collection

from readmission.embedded import airflow, monitoring, pgserver
from readmission.embedded.component import Part, answers, bound
from readmission.errors import UserError
from readmission.settings import Settings


def parts(settings: Settings, known: Collection[str] = ()) -> list[Part]:
    """List the parts in the order they start; Airflow's and monitoring's when a setting or the supervisor has them.

    Args:
        settings: ports and what to start.
        known: names of the parts that the running supervisor keeps.
    """
    python = [*bound(), sys.executable, "-m"]
    api_url, ui_url = f"http://127.0.0.1:{settings.api_port}", f"http://127.0.0.1:{settings.ui_port}"
    return [
        Part(
            "postgres",
            pgserver.command(settings),
            f"postgresql://{settings.postgres_host}:{settings.postgres_port}/{settings.postgres_database}",
            settings.postgres_host,
            settings.postgres_port,
            "READMISSION_POSTGRES_PORT",
            pgserver.accepts(settings),
            stop_signal="INT",  # PostgreSQL's "fast": disconnect clients, no recovery at the next start
        ),
        Part(
            "mlflow",
            [*python, "readmission.embedded.mlflow"],
            settings.tracking_uri,
            "127.0.0.1",
            settings.mlflow_port,
            "READMISSION_MLFLOW_PORT",
            answers(f"{settings.tracking_uri}/health"),
        ),
        Part(
            "api",
            [*python, "serving.server"],
            api_url,
            settings.api_host,
            settings.api_port,
            "READMISSION_API_PORT",
            answers(f"{api_url}/livez"),
        ),
        Part(
            "ui",
            [*python, "serving.demo"],
            ui_url,
            settings.ui_host,
            settings.ui_port,
            "READMISSION_UI_PORT",
            answers(f"{ui_url}/health"),
        ),
        *(airflow.parts(settings) if settings.airflow or "airflow" in known else ()),
        *(monitoring.parts(settings) if settings.monitoring or "exporter" in known else ()),
    ]


def refuse_busy_ports(wanted: list[Part]) -> None:
    """Make sure that every port is free before anything starts.

    Raises:
        UserError: a port is in use; names the part and the setting that moves it.
    """
    for part in wanted:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((part.host, part.port))
            except OSError as error:
                raise UserError(
                    f"Port {part.port} of {part.host}, wanted by {part.name}, cannot be used ({error.strerror}). "
                    f"Stop the other program, or choose another port: {part.port_setting}=..."
                ) from error

"""The parts of the embedded system: what each runs, where it answers, how its health is seen."""

import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from readmission.embedded import postgres
from readmission.errors import UserError
from readmission.settings import Settings

Healthy = Callable[[], bool]


@dataclass(frozen=True)
class Part:
    """Describe one supervised process.

    Attributes:
        name: as in `readmission status`.
        command: its command line.
        url: where a person or a program finds it.
        host, port: what it listens on.
        port_setting: the variable that moves it.
        healthy: whether it answers.
        environment: variables beside the inherited ones; no secret, they stand in a file.
        stop_signal: what ends it cleanly.
    """

    name: str
    command: list[str]
    url: str
    host: str
    port: int
    port_setting: str
    healthy: Healthy
    environment: dict[str, str] = field(default_factory=dict)
    stop_signal: str = "TERM"


def answers(url: str) -> Healthy:
    """Return a check that a GET answers 200 within two seconds."""

    def check() -> bool:
        try:
            return httpx.get(url, timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    return check


def listens(host: str, port: int) -> Healthy:
    """Return a check that a TCP connection is accepted."""

    def check() -> bool:
        try:
            with socket.create_connection((host, port), timeout=2):
                return True
        except OSError:
            return False

    return check


def parts(settings: Settings) -> list[Part]:
    """List the parts in the order they start."""
    # A part ends with its supervisor, even with a killed one: no orphan holds a port.
    bound = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
    python = [*bound, sys.executable, "-m"]
    api_url, ui_url = f"http://127.0.0.1:{settings.api_port}", f"http://127.0.0.1:{settings.ui_port}"
    return [
        Part(
            "postgres",
            postgres.command(settings),
            f"postgresql://{settings.postgres_host}:{settings.postgres_port}/{settings.postgres_database}",
            settings.postgres_host,
            settings.postgres_port,
            "READMISSION_POSTGRES_PORT",
            listens(settings.postgres_host, settings.postgres_port),
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

"""The parts of the embedded system, in the order they start."""

import contextlib
import socket
import sys
from collections.abc import Collection, Mapping

import psutil

from readmission.embedded import airflow, monitoring, notebook, pgserver, record_systems
from readmission.embedded.component import Part, answers, bound
from readmission.errors import UserError
from readmission.settings import Settings

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def parts(settings: Settings, running: Collection[str] = ()) -> list[Part]:
    """List the parts in the order they start.

    Args:
        settings: Ports, and whether Airflow, monitoring and the workplace are started.
        running: Names of the parts of the running supervisor. Those three are listed if they are among them.
    """
    return [
        *_stores(settings),
        *_applications(settings),
        *(airflow.parts(settings) if settings.airflow.enabled or "airflow" in running else ()),
        *(monitoring.parts(settings) if settings.monitoring.enabled or "exporter" in running else ()),
        *(notebook.parts(settings) if settings.notebook.enabled or "notebook" in running else ()),
    ]


def _stores(settings: Settings) -> list[Part]:
    return [
        Part(
            name="postgres",
            command=pgserver.command(settings),
            url=f"postgresql://{settings.postgres.host}:{settings.postgres.port}/{settings.postgres.database}",
            host=settings.postgres.host,
            port=settings.postgres.port,
            port_setting="READMISSION_POSTGRES_PORT",
            healthy=pgserver.accepts(settings),
            stop_signal="INT",  # PostgreSQL's "fast": disconnect clients, no recovery at the next start
        ),
        Part(
            name="mlflow",
            command=[*bound(), sys.executable, "-m", "readmission.embedded.mlflow"],
            # Not its home page, which is about language models.
            url=f"{settings.mlflow.tracking_uri}/#/experiments/1/runs?workflowType=machine_learning",
            host="127.0.0.1",
            port=settings.mlflow.port,
            port_setting="READMISSION_MLFLOW_PORT",
            healthy=answers(f"{settings.mlflow.tracking_uri}/health"),
        ),
    ]


def _applications(settings: Settings) -> list[Part]:
    python = [*bound(), sys.executable, "-m"]
    api_url, ui_url = f"http://127.0.0.1:{settings.api.port}", f"http://127.0.0.1:{settings.demo.port}"
    return [
        Part(
            name="api",
            command=[*python, "serving.server"],
            url=api_url,
            host=settings.api.host,
            port=settings.api.port,
            port_setting="READMISSION_API_PORT",
            healthy=answers(f"{api_url}/livez"),
            environment=record_systems.environment(settings),
        ),
        Part(
            name="ui",
            command=[*python, "serving.demo"],
            url=ui_url,
            host=settings.demo.host,
            port=settings.demo.port,
            port_setting="READMISSION_UI_PORT",
            healthy=answers(f"{ui_url}/health"),
        ),
    ]


def refuse_open_doors(settings: Settings) -> None:
    """Check that nothing without a door listens beyond this machine.

    Raises:
        UserError: It would. The message names the setting.
    """
    if settings.api.host not in _LOOPBACK and settings.api.keys is None:
        raise UserError(
            f"READMISSION_API_HOST={settings.api.host}: other machines could use the API without a key. Name a file of "
            "keys in READMISSION_API_KEYS (docs/api.md), or leave the address at 127.0.0.1."
        )
    for name, host in (("READMISSION_UI_HOST", settings.demo.host), ("READMISSION_FEED_HOST", settings.feed.host)):
        if host not in _LOOPBACK:
            raise UserError(
                f"{name}={host}: this part has no login. Leave the address at 127.0.0.1, and put a proxy with a login "
                "on this machine in front of it."
            )
    if settings.notebook.enabled and settings.notebook.host not in _LOOPBACK:
        raise UserError(
            f"READMISSION_NOTEBOOK_HOST={settings.notebook.host}: whoever learns its token could run code on this "
            "machine. Leave the address at 127.0.0.1, and reach it by ssh."
        )


def refuse_busy_ports(parts: list[Part]) -> None:
    """Check that every port is free before anything starts.

    Raises:
        UserError: A port is in use. The message names the part and the setting of its port.
    """
    for part in parts:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((part.host, part.port))
            except OSError as error:
                raise UserError(
                    f"Port {part.port} on {part.host}, needed by {part.name}, is not available ({error.strerror}). "
                    f"Stop the program that uses it, or choose another port: {part.port_setting}=..."
                ) from error


def refuse_moved_ports(parts: list[Part], states: Mapping[str, tuple[str, int | None]]) -> None:
    """Check that the parts of a running system listen where the settings say; waiting for them there would be in vain.

    Args:
        parts: Parts as the settings describe them.
        states: States and processes of the running ones, by name.

    Raises:
        UserError: A part listens on other ports alone. The message names it and the setting of its port.
    """
    for part in parts:
        pid = states.get(part.name, ("", None))[1]
        ports = _listening(pid) if pid and part.port else set()
        if ports and part.port not in ports:
            raise UserError(
                f"{part.name} runs already, and not on port {part.port}: it was started with another "
                f"{part.port_setting}. Start with that one again, or stop the system first: `readmission down`."
            )


def _listening(pid: int) -> set[int]:
    """Return the ports that a process and its children listen on; none if it has ended or is another user's."""
    with contextlib.suppress(psutil.Error):
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        connections = [connection for process in family for connection in process.net_connections("tcp")]
        return {connection.laddr.port for connection in connections if connection.status == psutil.CONN_LISTEN}
    return set()

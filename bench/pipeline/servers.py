"""Postgres and MLflow of one benchmark, in a folder of its own and with a migrated database."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from readmission.embedded import component, pgserver, secrets
from readmission.polling import wait_until
from readmission.settings import Settings
from readmission.steps import migrate


def free_port() -> int:
    """Return a free TCP port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def private_settings(home: Path, **values: Any) -> Settings:
    """Return the settings of a system of its own in `home`: new secrets, free ports.

    Args:
        home: An empty folder.
        values: Settings that differ from the defaults.
    """
    home.chmod(0o755)  # Postgres runs as an unprivileged user.
    ports = {"postgres_port": free_port(), "mlflow_port": free_port()}
    return Settings(_env_file=[secrets.ensure(home)], home=home, **(ports | values))


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables with which a command uses these servers."""
    own = {"HOME": settings.home, "POSTGRES_PORT": settings.postgres.port, "MLFLOW_PORT": settings.mlflow.port}
    return os.environ | {f"READMISSION_{name}": str(value) for name, value in own.items()}


@contextmanager
def running(settings: Settings, *, mlflow: bool = False) -> Iterator[list[int]]:
    """Start the servers, migrate the database, and stop the servers at the end; give their process ids.

    They get ten minutes to start: no clock runs yet, and a busy machine is slow.

    Raises:
        UserError: A server did not start.
    """
    pgserver.initialise(settings)
    commands = [pgserver.command(settings)]
    if mlflow:
        commands.append([sys.executable, "-m", "readmission.embedded.mlflow"])
    with (settings.home / "servers.log").open("wb") as log:
        servers = [
            subprocess.Popen(command, cwd="/", env=environment(settings), stdout=log, stderr=log)
            for command in commands
        ]
    try:
        wait_until(pgserver.accepts(settings), seconds=600, failure="Postgres did not start in ten minutes.")
        migrate.run(settings)
        if mlflow:
            health = component.answers(f"{settings.mlflow.tracking_uri}/health")
            wait_until(health, seconds=600, failure="MLflow did not start in ten minutes.")
        yield [server.pid for server in servers]
    finally:
        for server in reversed(servers):
            server.send_signal(2)
        for server in servers:
            server.wait(120)

"""`readmission dags`: run the whole chain of DAGs once, with no scheduler."""

import subprocess
import sys
from typing import Annotated

import typer

from readmission.data.synthetic import sample_path
from readmission.embedded import airflow, up
from readmission.embedded.components import parts
from readmission.embedded.down import stop
from readmission.embedded.supervisor import Supervisor
from readmission.embedded.waiting import wait_for_part
from readmission.errors import UserError
from readmission.settings import Settings


def run(
    settings: Settings,
    *,
    batches: Annotated[int, typer.Option(min=0, help="Number of batches to take; 0 takes all.")] = 0,
    sample: Annotated[bool, typer.Option(help="Use a small synthetic data set instead of the real one.")] = False,
    keep: Annotated[bool, typer.Option(help="Leave the parts running; `readmission down` stops them.")] = False,
) -> None:
    """Run every DAG in its order as `airflow dags test` does: batch by batch, then train, promote, score.

    If no system is running, the parts that the steps need are started first and stopped at the end.

    Raises:
        UserError: A part did not start or a task failed.
    """
    settings = up.with_secrets(settings)
    if sample:
        settings = settings.replace(source=str(sample_path(settings)))
    supervisor = Supervisor(settings)
    ours = not supervisor.running()
    try:
        up.start_parts(settings, supervisor)
        for part in parts(settings):
            wait_for_part(supervisor, part)
        environment = scratch(settings)
        result = subprocess.run(
            [sys.executable, "-m", "readmission.embedded.dag_chain", str(airflow.DAGS), str(batches)],
            env=environment,
            check=False,
        )
    finally:
        if ours and not keep:
            stop(settings)
    if result.returncode:
        raise UserError("A task of the chain failed; its messages are above.")


def scratch(settings: Settings) -> dict[str, str]:
    """Return the environment of an Airflow with tables of its own, which are created if they are absent.

    In the tables of a running Airflow, its scheduler would run the tasks too.
    """
    home = settings.home / "airflow-test"
    home.mkdir(parents=True, exist_ok=True)
    options = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "READMISSION_SOURCE": settings.source,
    }
    environment = airflow.environment(settings) | options
    del environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"]
    airflow.migrate_tables(environment)
    return environment
